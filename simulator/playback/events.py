"""This file is what happens to healthy pumps: a table of events, and how often they come by themselves.

An event lasts, and then works on pumps as a fault does, or it is an instant: a refill, a new program, a bolus. None is
a fault: whatever alarms on one is a false alarm. Only what cuts a gateway off for long must be alarmed, as the silence
that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from simulator.fleet.mri import stop_in_field
from simulator.fleet.state import F32, Fleet, dice

HOUR: Final = 3600.0
UPRIGHT_MMHG: Final = 10.0
"""Sitting raises lumbar pressure by the fluid column, 20 to 30 mmHg without a source; the pump sits in between."""
FEVER_C: Final = 2.5
ALTITUDE_GAIN: Final = 0.02
"""What an airliner's cabin, or a place as high as its air is thin, adds to the flow; the sign is known of gas-driven
pumps, the size is a modelling choice."""
FLIGHT_S: Final = 6 * HOUR
CLIMB_S: Final = 0.5 * HOUR
STAY_S: Final = 36 * HOUR
WARMER_THERE_C: Final = 0.3
"""A journey: a flight, in which the cabin's pressure falls and rises again within `CLIMB_S`, a stay, and a flight back;
and what the place adds to the body's temperature. Modelling choices. The pump keeps the time of home, so that a time
zone shows in no signal."""
DRIFT_S_DAY: Final = 2.0
"""What a clock gains or loses in a day, about 20 parts in a million as watch crystals do; modelling choice."""
UNTIL_OVER_S: Final = 1e12
MISSED_AFTER_S: Final = 480.0
"""Whoever is cut off for so long is missed, as no pump that sends each minute is silent for longer when all is well; it
is in the truth from then on."""
OUTAGE: Final = "broker_outage"
"""A running gateway plays it for real: it drops its connection without a word and is refused another until it is over,
as when a broker dies. The broker itself runs on. Where no gateway runs, as when a scenario is judged, samples wait."""


@dataclass(frozen=True)
class Event:
    """One kind of event: a row of `EVENTS`. Without a function it is an instant. `a_year` is for one pump.

    One that is `in_ground_truth` must be detected like a fault.
    """

    name: str
    title: str
    stage: str
    function: Callable[..., Any] | None
    ramp_s: float
    hold_s: float
    a_year: float
    in_ground_truth: bool = False


def in_scanner(fleet: Fleet, severity: F32) -> None:
    """Stop the motor in the field; it starts again at the exit, as it should."""
    stop_in_field(fleet, severity > 0)


def upright(fleet: Fleet, severity: F32) -> None:
    """Raise the pressure by the posture; the pulse stays."""
    fleet.posture_mmhg += UPRIGHT_MMHG * severity


def fever(fleet: Fleet, severity: F32) -> None:
    """Warm the patient."""
    fleet.fever_c += FEVER_C * severity


def travel(fleet: Fleet, severity: F32) -> None:
    """Let the pump give a little more in the cabin, both ways, and at a place that is high and warm by the severity."""
    age_s = np.asarray(fleet.age_s, np.float32)
    flown_s = np.where(age_s < FLIGHT_S, age_s, age_s - np.float32(FLIGHT_S + STAY_S))
    cabin = np.clip(np.minimum(flown_s, FLIGHT_S - flown_s) / np.float32(CLIMB_S), 0, 1)
    there = severity * ((age_s >= FLIGHT_S) & (age_s < FLIGHT_S + STAY_S))
    fleet.stroke *= 1 + np.float32(ALTITUDE_GAIN) * np.where(severity > 0, np.maximum(cabin, there), np.float32(0))
    fleet.fever_c += np.float32(WARMER_THERE_C) * there


def clock_drift(fleet: Fleet, severity: F32) -> None:
    """Let the clocks of half of the pumps run fast and of the others slow, until somebody sets them."""
    way = np.where(dice(fleet, 0, salt=21) < 0.5, np.float32(-1), np.float32(1))
    fleet.clock_drift_s_day += DRIFT_S_DAY * way * severity


def cut_off(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001
    """Keep all samples until the gateway, or its broker, is back."""
    return frame.with_columns(pl.Series("wait_s", np.where(severity > 0, UNTIL_OVER_S, 0.0)))


EVENTS: Final = {
    event.name: event
    for event in (
        Event("refill", "refill", "instant", None, 0, 0, 4),
        Event("program", "new program", "instant", None, 0, 0, 6),
        Event("bolus", "single bolus", "instant", None, 0, 0, 3),
        Event("mri", "MRI appointment", "physics", in_scanner, 0, 0.7 * HOUR, 0.3),
        Event("posture", "upright for a while", "physics", upright, 300, HOUR, 700),
        Event("fever", "fever", "physics", fever, 6 * HOUR, 36 * HOUR, 2),
        Event("travel", "flight to a high and warm place and back", "physics", travel, 0, 2 * FLIGHT_S + STAY_S, 2),
        Event("clock_drift", "clock runs fast or slow", "physics", clock_drift, 0, 30 * 24 * HOUR, 4),
        Event("gateway_restart", "gateway restarts", "link", cut_off, 0, 300, 12, in_ground_truth=True),
        Event(OUTAGE, "gateway loses its broker", "link", cut_off, 0, 1200, 0, in_ground_truth=True),
    )
}
"""Refills are due every 45 to 180 days; how often the others come, and how long they last, are modelling choices."""
