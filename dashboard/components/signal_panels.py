"""Panels of the trend chart: which signals share one, and how each is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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


PANELS: Final = (
    Panel(
        "Flow, µL/h",
        0.32,
        (
            Line("motor_ul_h", "motor", "low", 2.0, zero=True, width=1.1),
            Line("commanded_ul_h", "commanded", "commanded", 2.0, zero=True, dash="dash"),
            Line("flow_ul_h", "measured", "signal", 2.0, zero=True, width=1.9),
        ),
    ),
    Panel(
        "Reservoir, mL",
        0.15,
        (
            Line("computed_ml", "computed", "commanded", 1.0, dash="dash"),
            Line("reservoir_ml", "measured", "signal", 1.0),
        ),
    ),
    Panel(
        "Catheter, mmHg",
        0.21,
        (
            Line("pressure_mmhg", "pressure", "signal", 20.0, zero=True),
            Line("pulse_mmhg", "pulsatility", "low", 20.0, zero=True, width=1.4),
        ),
    ),
    Panel(
        "Battery, V · motor, mA",
        0.17,
        (
            Line("battery_v", "battery, V", "signal", 0.4),
            Line("motor_ma", "motor, mA", "low", 4.0, zero=True, width=1.2, right=True),
        ),
    ),
    Panel("Temperature, °C", 0.15, (Line("temperature_c", "pump", "signal", 2.0),)),
)
