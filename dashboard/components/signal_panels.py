"""Panels of the trend chart: which signals share one, and how each is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from broker.contract.signals import SIGNALS, Signal
from dashboard.languages import tr_later


@dataclass(frozen=True)
class Line:
    """How a signal is drawn in a panel.

    `least` is the smallest range of its axis (modeling choice: about ten times the sensor's noise), `zero` starts the
    axis at zero, `right` draws it against the axis on the right.
    """

    signal: str
    name: str
    colour: str
    least: float
    zero: bool = False
    width: float = 1.6
    dash: str = "solid"
    right: bool = False


@dataclass(frozen=True)
class Panel:
    """One of the stacked charts; `share` is its share of the height."""

    title: str
    share: float
    lines: tuple[Line, ...]


_ARRANGED: Final = (
    Panel(
        tr_later("Flow, µL/h"),
        0.32,
        (
            Line("motor_ul_h", tr_later("motor"), "low", 2.0, zero=True, width=1.1),
            Line("commanded_ul_h", tr_later("commanded"), "commanded", 2.0, zero=True, dash="dash"),
            Line("flow_ul_h", tr_later("measured"), "signal", 2.0, zero=True, width=1.9),
        ),
    ),
    Panel(
        tr_later(tr_later("Reservoir, mL")),
        0.15,
        (
            Line("computed_ml", tr_later("computed"), "commanded", 1.0, dash="dash"),
            Line("reservoir_ml", tr_later("measured"), "signal", 1.0),
        ),
    ),
    Panel(
        tr_later(tr_later("Catheter, mmHg")),
        0.21,
        (
            Line("pressure_mmhg", tr_later("pressure"), "signal", 20.0, zero=True),
            Line("pulse_mmhg", tr_later("pulsatility"), "low", 20.0, zero=True, width=1.4),
        ),
    ),
    Panel(
        tr_later(tr_later("Battery, V · motor, mA")),
        0.17,
        (
            Line("battery_v", tr_later("battery, V"), "signal", 0.4),
            Line("motor_ma", tr_later("motor, mA"), "low", 4.0, zero=True, width=1.2, right=True),
        ),
    ),
    Panel(tr_later("Temperature, °C"), 0.15, (Line("temperature_c", tr_later("pump"), "signal", 2.0),)),
)
OTHER_SHARE: Final = 0.15


def _other(signal: Signal) -> Panel:
    """Return a panel of its own for a signal that no arranged panel shows; its axis spans at least 100 last digits."""
    line = Line(signal.name, signal.title.lower(), "signal", 100 * 10.0**-signal.decimals)
    return Panel(f"{signal.title}, {signal.unit}", OTHER_SHARE, (line,))


def _all(arranged: tuple[Panel, ...]) -> tuple[Panel, ...]:
    shown = {line.signal for panel in arranged for line in panel.lines}
    others = [_other(signal) for signal in SIGNALS if signal.name not in shown]
    height = 1 + OTHER_SHARE * len(others)
    return tuple(replace(panel, share=panel.share / height) for panel in (*arranged, *others))


PANELS: Final = _all(_ARRANGED)
"""All panels, from top to bottom: every signal is drawn in one of them."""
