"""Events of healthy pumps and their gateways: what they do, how long they last, how often they occur at random.

An event has a duration and acts on pumps as a fault does, or is an instant: a refill, a new program, a bolus. No event
is a fault: an alarm on one is a false alarm. The exception are outages of gateways, which must raise an alarm if they
are long.
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
"""Sitting raises lumbar pressure by the fluid column, by 20 to 30 mmHg (no source); the pump lies in between."""
FEVER_C: Final = 2.5
ALTITUDE_GAIN: Final = 0.02
"""Increase of flow in an airliner's cabin, or at a place of the same air pressure; the sign is known from gas-driven
pumps, the size is a modeling choice."""
FLIGHT_S: Final = 6 * HOUR
CLIMB_S: Final = 0.5 * HOUR
STAY_S: Final = 36 * HOUR
DESTINATION_WARMTH_C: Final = 0.3
"""A journey: a flight, during which cabin pressure falls and rises again within `CLIMB_S`, a stay, a flight back, and a
rise of body temperature at the destination. Modeling choices. The pump keeps the time of home, so that no signal shows
the time zone."""
DRIFT_S_DAY: Final = 2.0
"""Seconds that a clock gains or loses in a day, about 20 parts per million as a watch crystal; modeling choice."""
UNTIL_OVER_S: Final = 1e12
"""Delay of a sample until the outage is over: longer than any run."""
MISSED_AFTER_S: Final = 480.0
"""Duration from which an outage is in the ground truth: a healthy pump that sends every minute is never silent for so
long."""
OUTAGE: Final = "broker_outage"
"""A running gateway plays it for real: it drops its connection without a DISCONNECT and cannot reconnect until the
outage is over, as if its broker had died. The broker itself keeps running. If no gateway runs, as in a trial, samples
wait."""


@dataclass(frozen=True)
class Event:
    """One kind of event, a row of `EVENTS`; without a function it is an instant. `a_year` is its rate per pump.

    An event that is `in_ground_truth` must be detected like a fault; one that `survives_replacement` goes on when the
    pump is replaced.
    """

    name: str
    title: str
    stage: str
    function: Callable[..., Any] | None
    ramp_s: float
    hold_s: float
    a_year: float
    in_ground_truth: bool = False
    survives_replacement: bool = False


def in_scanner(fleet: Fleet, severity: F32) -> None:
    """Stop the motor in the field; it restarts at the exit, as it should."""
    stop_in_field(fleet, severity > 0)


def upright(fleet: Fleet, severity: F32) -> None:
    """Raise the pressure by the posture; pulsatility stays the same."""
    fleet.posture_mmhg += UPRIGHT_MMHG * severity


def fever(fleet: Fleet, severity: F32) -> None:
    """Raise the patient's temperature."""
    fleet.fever_c += FEVER_C * severity


def travel(fleet: Fleet, severity: F32) -> None:
    """Raise the flow in the cabin on both flights and, by the severity, flow and temperature at the destination."""
    age_s = np.asarray(fleet.age_s, np.float32)
    flight_s = np.where(age_s < FLIGHT_S, age_s, age_s - np.float32(FLIGHT_S + STAY_S))
    cabin = np.clip(np.minimum(flight_s, FLIGHT_S - flight_s) / np.float32(CLIMB_S), 0, 1)
    destination = severity * ((age_s >= FLIGHT_S) & (age_s < FLIGHT_S + STAY_S))
    altitude = np.where(severity > 0, np.maximum(cabin, destination), np.float32(0))
    fleet.stroke *= 1 + np.float32(ALTITUDE_GAIN) * altitude
    fleet.fever_c += np.float32(DESTINATION_WARMTH_C) * destination


def clock_drift(fleet: Fleet, severity: F32) -> None:
    """Let the clocks of half of the pumps run fast and those of the others slow, until a programmer sets them."""
    direction = np.where(dice(fleet, 0, salt=21) < 0.5, np.float32(-1), np.float32(1))
    fleet.clock_drift_s_day += DRIFT_S_DAY * direction * severity


def cut_off(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001
    """Delay all samples until the gateway or its broker is back."""
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
        Event(
            "clock_drift",
            "clock runs fast or slow",
            "physics",
            clock_drift,
            0,
            30 * 24 * HOUR,
            4,
            survives_replacement=True,
        ),
        Event("gateway_restart", "gateway restarts", "link", cut_off, 0, 300, 12, in_ground_truth=True),
        Event(OUTAGE, "gateway loses its broker", "link", cut_off, 0, 1200, 0, in_ground_truth=True),
    )
}
"""Refills are due every 45 to 180 days; rates and durations of the other events are modeling choices."""
