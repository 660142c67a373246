"""Six rules a sample at a time, with the standard library only: for peers with a Python of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

MRI: Final = 128
"""Bit of the flag "mri"."""
HOUR_S: Final = 3600.0
Row = dict[str, Any]


@dataclass(slots=True)
class Pump:
    """What the six rules remember of one pump."""

    time: int | None = None
    flow: float = math.nan
    expected: float | None = None
    difference: float = 0.0
    shifted_h: float = 0.0
    fast_v: float | None = None
    slow_v: float | None = None
    seen_s: float = 0.0
    last_v: float | None = None
    fall_v_h: float = 0.0
    repeats: float = 0.0
    scores: tuple[float, ...] = ()


def judge(pump: Pump, row: Row) -> None:
    """Do the six rules as one would without columns: an object a pump, some floats a sample."""
    dt = 0.0 if pump.time is None else (row["time"] - pump.time) / 1000.0
    flow, commanded = row["flow_ul_h"], row["commanded_ul_h"]
    volts = row["battery_v"] + 0.03 * row["motor_ma"]
    under = 0.0 if pump.expected is None else max(0.0, -pump.difference) / max(0.5, 0.25 * pump.expected)
    shifted = pump.shifted_h / (0.08 * 5.0)
    dropped = 0.0
    if pump.fast_v is not None and pump.slow_v is not None and pump.seen_s >= 120.0:
        dropped = max(0.0, pump.slow_v - pump.fast_v) / 0.06
    falling = max(0.0, pump.fall_v_h) / 0.0075
    low = max(0.0, 1.0 + (2.0 - row["reservoir_ml"]) / 0.6)
    stuck = pump.repeats / 0.15
    pump.scores = (under, shifted, dropped, falling, low, stuck)

    weight = 1.0 - math.exp(-dt / 1200.0)
    if not row["flags"] & MRI:
        pump.difference += weight * (flow - commanded - pump.difference)
        hours = min(dt, HOUR_S) / HOUR_S
        short = (commanded - flow) / max(commanded, 1.0)
        pump.shifted_h = min(max(pump.shifted_h + (short - 0.08) * hours, 0.0), 1.05 * 0.08 * 5.0)
    pump.expected = commanded if pump.expected is None else pump.expected + weight * (commanded - pump.expected)
    pump.fast_v = volts if pump.fast_v is None else pump.fast_v + (1 - math.exp(-dt / 600.0)) * (volts - pump.fast_v)
    pump.slow_v = volts if pump.slow_v is None else pump.slow_v + (1 - math.exp(-dt / 86400.0)) * (volts - pump.slow_v)
    pump.seen_s += dt
    fell = 0.0 if pump.last_v is None else min(max(pump.last_v - volts, -0.012), 0.012) / max(dt / HOUR_S, 1 / HOUR_S)
    pump.fall_v_h += (1.0 - math.exp(-dt / 7200.0)) * (fell - pump.fall_v_h)
    pump.last_v = volts
    pump.repeats += (1.0 - math.exp(-dt / 5400.0)) * (float(flow == pump.flow) - pump.repeats)
    pump.flow, pump.time = flow, row["time"]


def readings(row: Row) -> tuple[float, ...]:
    """Six numbers a sample that river's detectors are given: one detector each."""
    return (
        row["flow_ul_h"] - row["commanded_ul_h"],
        row["motor_ul_h"] - row["commanded_ul_h"],
        row["battery_v"],
        row["reservoir_ml"],
        row["pressure_mmhg"],
        row["pulse_mmhg"],
    )
