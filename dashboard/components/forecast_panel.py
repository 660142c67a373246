"""This file says in words what is forecast of one pump: how long, and between when and when."""

from __future__ import annotations

import math
from typing import Any, Final

from dash import html

from broker.store.snapshot import band
from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece

DOSE_AHEAD_H: Final = 24.0
"""Doses are foretold for a day; what comes later comes with the end of the reservoir."""
H_PER_D: Final = 24.0
D_PER_Y: Final = 365.25
NOT_FORESEEN: Final = "not foreseen"


def card(row: dict[str, Any]) -> Piece:
    """Return what comes if nothing changes; of every span it is told between what four of five cases lie."""
    effect = row["effect"]
    facts = [
        _fact("Under-dosed", _dose(row, "under_dosed_h"), hint="The effect is less than half of the program's"),
        _fact("Over-dosed", _dose(row, "over_dosed_h"), hint="The effect is 30 % or more above the program's"),
        elements.fact(
            "Effect now",
            elements.quantity(formatting.number(None if effect is None else 100 * effect, 0, "%")),
            note="of what the program would do",
        ),
        _fact("Reservoir low", _days(row, "low_d"), hint="2 mL are left"),
        _fact("Reservoir empty", _days(row, "empty_d"), hint="What is left cannot be pumped"),
        elements.fact("Refill due", formatting.day(row["refill_due"]), note="before low, within 180 days"),
        _fact("Battery asks for replacement", _days(row, "eri_d")),
        _fact("Pump ends its service", _days(row, "eos_d")),
    ]
    return elements.card(
        "Outlook, if nothing changes",
        html.Div(facts, className="pump-facts"),
        side=html.Span("in brackets: four of five cases", className="note"),
        name="outlook",
    )


def _fact(label: str, said: tuple[Piece, Piece], hint: str = "") -> Piece:
    value, note = said
    return elements.fact(label, value, note=note, hint=hint)


def days(row: dict[str, Any], name: str) -> str:
    """Say a forecast in days with its band: "41 d (38 to 44 d)"."""
    value, note = _said(row, name)
    return f"{value} ({note})" if note else value


def _days(row: dict[str, Any], name: str) -> tuple[Piece, Piece]:
    value, note = _said(row, name)
    return (value if value == NOT_FORESEEN else elements.quantity(value)), f"({note})" if note else ""


def _said(row: dict[str, Any], name: str) -> tuple[str, str]:
    low, mid, high = (row[column] for column in band(name))
    if mid is None or math.isnan(mid):
        return formatting.UNKNOWN, ""
    if math.isinf(mid):
        return NOT_FORESEEN, ""
    if high <= 0:
        return "now", ""
    scale, unit = _unit(mid)
    decimals = 1 if unit == "y" else 0
    many = f"{mid * scale:.{decimals}f} {unit}"
    return many, f"{low * scale:.{decimals}f} to {high * scale:.{decimals}f} {unit}"


def _unit(days_: float) -> tuple[float, str]:
    if days_ < 2:
        return H_PER_D, "h"
    return (1.0, "d") if days_ < 2 * D_PER_Y else (1 / D_PER_Y, "y")


def _dose(row: dict[str, Any], name: str) -> tuple[Piece, Piece]:
    low, mid, high = (row[column] for column in band(name))
    if mid is None or math.isnan(mid):
        return elements.quantity(formatting.UNKNOWN), ""
    if mid >= DOSE_AHEAD_H:
        return NOT_FORESEEN, "within a day"
    if high <= 0:
        return "by now", "unless bridged"
    return elements.quantity(f"{mid:.1f} h" if mid else "by now, probably"), f"({low:.1f} to {high:.1f} h)"
