"""Forecasts of one pump with their 80 % intervals: dose, reservoir, refill, battery."""

from __future__ import annotations

import math
from typing import Any, Final

from dash import html

from broker.store.pump_table import band
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.data import forecasts
from dashboard.languages import tr, tr_later

DOSE_AHEAD_H: Final = 24.0
"""Dose forecasts reach one day ahead; later under-dosing comes with the end of the reservoir."""
H_PER_D: Final = 24.0
D_PER_Y: Final = 365.25
NOT_EXPECTED: Final = tr_later("not expected")


def card(row: dict[str, Any], clock: TherapyClock = WALL) -> Component:
    """Return the forecasts if nothing changes, each with its 80 % interval, in therapy time as `clock` counts it."""
    effect = row["effect"]
    fast = "" if clock.speed == 1 else tr("; therapy time, {speed}", speed=formatting.speed(clock.speed))
    facts = [
        _fact(
            tr("Under-dosed"),
            _dose(row, "under_dosed_h", now=tr("bridge now")),
            hint=tr("Effect below half of the program's"),
        ),
        _fact(tr("Over-dosed"), _dose(row, "over_dosed_h"), hint=tr("Effect 30 % or more above the program's")),
        elements.fact(
            tr("Effect now"),
            elements.quantity(formatting.number(None if effect is None else 100 * effect, 0, "%")),
            note=tr("of the program's effect"),
        ),
        _fact(tr("Low reservoir"), _noted(reservoir(row, "low_d")), hint=tr("2 mL left")),
        _fact(
            tr("Empty reservoir"), _noted(reservoir(row, "empty_d")), hint=tr("The residual volume cannot be pumped")
        ),
        elements.fact(
            tr("Refill due"),
            tr(forecasts.refill_instead(row, _now(row))) or clocks.therapy_date(row["refill_due"], clock),
            note=tr("within 180 d"),
            hint=tr("Before the reservoir is low, and within 180 days"),
        ),
        _fact(tr("Replacement due (ERI)"), _noted(_forecast(row, "eri_d"))),
        _fact(tr("End of service"), _noted(_forecast(row, "eos_d"))),
    ]
    return elements.card(
        tr("Forecast, if nothing changes"),
        html.Div(facts, className="pump-facts"),
        side=html.Span(tr("80 % interval in parentheses{fast}", fast=fast), className="note"),
        name="outlook",
    )


def _now(row: dict[str, Any]) -> int:
    """Return the pump's therapy time now."""
    age_s = row["age_s"] or 0.0
    return int((row["time"] or 0) + (1000 * age_s if math.isfinite(age_s) else 0))


def _fact(label: str, forecast: tuple[Component, Component], hint: str = "") -> Component:
    value, note = forecast
    return elements.fact(label, value, note=note, hint=hint)


def reservoir_text(row: dict[str, Any], name: str) -> str:
    """Return a forecast of the reservoir with its 80 % interval: "41 d (38 to 44 d)"."""
    value, note = reservoir(row, name)
    return f"{value} ({note})" if note else value


def reservoir(row: dict[str, Any], name: str) -> tuple[str, str]:
    """Return when the reservoir is low or empty (`name` "low_d" or "empty_d") and the 80 % interval, as texts.

    The texts of `dashboard.data.forecasts.instead` replace a forecast that would be meaningless.
    """
    if words := forecasts.instead(row, name):
        return tr(words), ""
    low, mid, high = forecasts.until_service_ends(row, name)
    return _forecast({**row, **dict(zip(band(name), (low, mid, high), strict=True))}, name)


def _noted(forecast: tuple[str, str]) -> tuple[Component, Component]:
    value, note = forecast
    return elements.quantity(value) if value[:1].isdigit() else value, f"({note})" if note else ""


def _forecast(row: dict[str, Any], name: str) -> tuple[str, str]:
    low, mid, high = (row[column] for column in band(name))
    if mid is None or math.isnan(mid):
        return tr(formatting.UNKNOWN), ""
    if math.isinf(mid):
        return tr(NOT_EXPECTED), ""
    if high <= 0:
        return tr("now"), ""
    scale, unit = _unit(mid)
    decimals, unit = 1 if unit == "y" else 0, tr(unit)
    # An interval whose ends are written like its middle says nothing.
    if len({formatting.number(max(0.0, value) * scale, decimals) for value in (low, mid, high)}) == 1:
        return _ahead(mid * scale, decimals, unit), ""
    return _ahead(mid * scale, decimals, unit), _between(low * scale, high * scale, decimals, unit)


def _ahead(value: float, decimals: int, unit: str) -> str:
    """Return a time ahead; what rounds to zero or is past is "under 1 h"."""
    least = 10.0**-decimals
    return (
        tr("under {number} {unit}", number=formatting.number(least, decimals), unit=unit)
        if value < least / 2
        else formatting.number(value, decimals, unit)
    )


def _between(low: float, high: float, decimals: int, unit: str) -> str:
    """Return an interval that may already have begun, and may have no end."""
    first = formatting.number(max(0.0, low), decimals)
    return (
        tr("{first} {unit} or later", first=first, unit=unit)
        if math.isinf(high)
        else tr("{first} to {number}", first=first, number=formatting.number(high, decimals, unit))
    )


def _unit(days_: float) -> tuple[float, str]:
    if days_ < 2:
        return H_PER_D, "h"
    return (1.0, "d") if days_ < 2 * D_PER_Y else (1 / D_PER_Y, tr_later("y"))


def _dose(row: dict[str, Any], name: str, now: str = "") -> tuple[Component, Component]:
    low, mid, high = (row[column] for column in band(name))
    if mid is None or math.isnan(mid):
        return elements.quantity(tr(formatting.UNKNOWN)), tr("while the pump is silent") if row["silent"] else ""
    if mid >= DOSE_AHEAD_H:
        return tr(NOT_EXPECTED), tr("within a day")
    if high <= 0:
        return tr("now"), now
    lasts = clocks.here(max(0.0, mid) * 3600, row.get("speed"), short=True)
    interval = f"({_between(low, high, 1, 'h')})"
    value = elements.quantity(_ahead(mid, 1, "h")) if mid > 0 else tr("probably now")
    return value, f"{interval}, {lasts}" if lasts and mid > 0 else interval
