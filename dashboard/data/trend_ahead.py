"""Forecast of one pump as bands ahead of now on its trend charts: level of the reservoir, times of what is to come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.contract.datasheet import BATTERY_OHM, CAPACITY_MAH, ERI_MAH, LOW_RESERVOIR_ML, idle_v
from broker.store.pump_table import band
from dashboard.data import forecasts
from dashboard.languages import tr_later

POINTS: Final = 24
CURVE_POINTS: Final = 501
ERI_SHARE: Final = ERI_MAH / CAPACITY_MAH
"""Share of the battery's charge that is left at the elective replacement indicator."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
UNITS_MS: Final = {"under_dosed_h": HOUR_MS, "over_dosed_h": HOUR_MS, "eri_d": DAY_MS, "eos_d": DAY_MS}
TITLES: Final = {
    "under_dosed_h": ("flow_ul_h", tr_later("under-dosed")),
    "over_dosed_h": ("flow_ul_h", tr_later("over-dosed")),
    "eri_d": ("battery_v", tr_later("replacement due")),
    "eos_d": ("battery_v", tr_later("end of service")),
}
"""What may come, and the signal in whose chart it is drawn."""
DOSE_AHEAD_H: Final = 24.0
"""Dose forecasts reach one day ahead."""


@dataclass(frozen=True)
class Fan:
    """Levels ahead of the reservoir (mL) or the battery (V) by time (ms): edges of the 80 % interval, and middle."""

    time: NDArray[np.float64]
    low: NDArray[np.float32]
    mid: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True)
class Coming:
    """An 80 % interval (therapy ms) in which something happens, drawn in the chart of `signal`."""

    signal: str
    title: str
    start: int
    end: int


@dataclass(frozen=True)
class Ahead:
    """The forecast from now on: a fan of the reservoir's level if it makes sense, what is coming, and a note if not.

    `battery` is a fan of its voltage.
    """

    fan: Fan | None = None
    coming: list[Coming] = field(default_factory=list)
    note: str = ""
    battery: Fan | None = None

    def shifted(self, by_ms: int) -> Ahead:
        """Return the same with every time later by `by_ms`."""
        fan, battery = (
            None if one is None else replace(one, time=one.time + by_ms) for one in (self.fan, self.battery)
        )
        later = [replace(one, start=one.start + by_ms, end=one.end + by_ms) for one in self.coming]
        return Ahead(fan, later, self.note, battery)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self.fan is None and self.battery is None and not self.coming


NOTHING: Final = Ahead()


def ahead(row: Mapping[str, Any] | None, now: int, until: int) -> Ahead:
    """Return the forecast of a pump between its therapy time now and `until`; nothing is beyond its end of service."""
    if row is None or row["silent"] or until <= now:
        return NOTHING
    service = row[band("eos_d")[1]]
    end = until if service is None or math.isinf(service) else min(until, now + round(service * DAY_MS))
    instead = forecasts.instead(row, "low_d")
    note = "" if instead in {"", forecasts.AFTER_SERVICE} else f"reservoir: {instead}"
    fan = None if note or end <= now else _fan(row, now, end)
    return Ahead(fan, _coming(row, now, until), note, _battery(row, now, end) if end > now else None)


def _fan(row: Mapping[str, Any], now: int, end: int) -> Fan | None:
    level, days = row["reservoir_ml"], [row[column] for column in band("low_d")]
    if level is None or any(day is None or math.isnan(day) for day in days) or math.isinf(days[1]):
        return None
    time = np.linspace(now, end, POINTS)
    low, mid, high = (_level(level, time - now, day * DAY_MS) for day in days)
    return Fan(time, low, mid, high)


def _battery(row: Mapping[str, Any], now: int, end: int) -> Fan | None:
    """Return the voltage ahead: the datasheet's discharge curve through today's voltage and the forecast of ERI."""
    volts, days = row.get("battery_v"), [row[column] for column in band("eri_d")]
    if volts is None or any(day is None or not math.isfinite(day) or day <= 0 for day in days):
        return None
    shares = np.linspace(0.0, 1.0, CURVE_POINTS)
    now_share = float(np.interp(volts + (row.get("motor_ma") or 0.0) * BATTERY_OHM / 1000, idle_v(shares), shares))
    if now_share <= ERI_SHARE:
        return None
    time = np.linspace(now, end, POINTS)
    starts = float(idle_v(np.array([now_share]))[0])
    low, mid, high = (
        (
            volts
            - starts
            + idle_v(np.clip(now_share - (now_share - ERI_SHARE) * (time - now) / (day * DAY_MS), 0.0, 1.0))
        ).astype(np.float32)
        for day in days
    )
    return Fan(time, low, mid, high)


def _level(level: float, elapsed: NDArray[np.float64], reaches_low_ms: float) -> NDArray[np.float32]:
    share = np.clip(elapsed / max(reaches_low_ms, 1.0), 0.0, 1.0)
    return (level + (LOW_RESERVOIR_ML - level) * share).astype(np.float32)


def _coming(row: Mapping[str, Any], now: int, until: int) -> list[Coming]:
    found = []
    for name, unit_ms in UNITS_MS.items():
        low, mid, high = (row[column] for column in band(name))
        if mid is None or not math.isfinite(mid) or high <= 0 or (name.endswith("_h") and mid >= DOSE_AHEAD_H):
            continue
        signal, title = TITLES[name]
        start = now + round(max(0.0, low) * unit_ms)
        end = now + round(high * unit_ms) if math.isfinite(high) else until
        if start < until:
            found.append(Coming(signal, title, start, min(end, until)))
    return found
