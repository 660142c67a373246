"""Motor detector: whether the rotor turns as commanded, and if not, whether and how hard the motor is driven."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, fading, forgetting
from processor.detectors.flag import reports

MIN_UL_H: Final = 0.2
"""Below this commanded flow a shortfall is taken relative to it; about the lowest rate that can be programmed."""
SHORTFALL: Final = 0.12
"""Missing share of the commanded turns at the limit. Commanded and motor flow are the pump's own counts and agree in a
healthy pump."""
STRAINED_MA: Final = 0.8
"""Current above baseline at which the motor is driven against resistance; modeling choice."""
QUICK_S: Final = 600.0
BASELINE_S: Final = 48 * 3600.0
DAY_S: Final = 86_400.0
MRI_TAIL_S: Final = 27 * 3600.0
"""An hour of MRI plus the reported 2 to 24 h until proper infusion returns (manufacturer's guidance), with margin."""
LONG_AGO_S: Final = 1e9
LEFT_MRI_S: Final = 1800.0
"""Time after leaving the field during which jumps of the current are ignored; modeling choice."""
ERRATIC_S: Final = 900.0
ERRATIC_MA: Final = 0.6
MAX_JUMP_MA: Final = 1.0
"""Averaged sample-to-sample change of the current at the limit, about fifteen times the sensor's noise, and the most
that one window contributes; modeling choices."""
STANDS: Final = 0.5
TURNS: Final = 0.2
"""A rotor stands if more than the first share of its turns is missing, until less than the second share is."""
EPISODES: Final = 1.6
"""Reached by the second stall within half a day: each counts 1 and decays, by less than 0.4 in that time."""


def motor(cause: Literal["stall", "intermittent", "not driven", "after MRI", "erratic"]) -> Detector:
    """Score a rotor that turns less than commanded, if this is its `cause`, or a current that is "erratic".

    "stall": the rotor is blocked, so the current is above baseline or the pump reports a stall. "intermittent": several
    reported stalls with normal turns in between. "after MRI": current not above baseline, and a magnetic field was
    reported within `MRI_TAIL_S`. "not driven": the same without a field, or in telemetry mode. Works on the pump's own
    turn counts, independently of the flow sensor. A pump in a magnetic field, after a reset or at end of service stands
    for a known reason and is not scored. The baseline of the current is learned while the rotor turns normally.
    """

    def score(memory: Memory) -> pl.Expr:
        known = pl.col("commanded_ul_h") * 0.0 + pl.col("motor_ul_h") * 0.0
        if cause == "intermittent":
            return memory("episodes") / EPISODES + known
        if cause == "erratic":
            return memory("erratic_ma") / ERRATIC_MA + 0.0 * pl.col("motor_ma")
        driven, scanned = memory("strained"), memory("scanned")
        of_this_cause = {
            "stall": driven,
            "not driven": (~driven & ~scanned) | memory("trapped"),
            "after MRI": ~driven & scanned & ~memory("trapped"),
        }[cause]
        stands = at_least(memory("short") / SHORTFALL, 0.0)
        return pl.when(of_this_cause & ~memory("excused")).then(stands).otherwise(0.0) + known

    return Detector(
        score,
        {
            "short": 0.0,
            "strain_ma": 0.0,
            "usual_ma": None,
            "stalled": 0.0,
            "stands": 0.0,
            "episodes": 0.0,
            "erratic_ma": 0.0,
            "since_mri_s": LONG_AGO_S,
        },
        _learn,
        family="motor",
        derive=_derive,
    )


def strained(memory: Memory) -> pl.Expr:
    """Return whether the motor is driven against resistance: current above baseline, or a reported stall."""
    return (memory("strain_ma") >= STRAINED_MA) | (memory("stalled") >= STANDS)


def _derive(memory: Memory) -> tuple[Stage, ...]:
    commanded = pl.col("commanded_ul_h")
    return (
        {
            "strained": strained(memory),
            "scanned": memory("since_mri_s") < MRI_TAIL_S,
            "in_field": reports("mri"),
            "trapped": reports("telemetry_mode"),
            "excused": reports("mri", "reset", "eos"),
            "reported_stall": reports("stalled"),
            "short_now": (commanded - pl.col("motor_ul_h")) / at_least(commanded, MIN_UL_H),
            "strain_now": pl.col("motor_ma") - memory("usual_ma"),
            "quick": forgetting(QUICK_S),
        },
        {
            # Between the two limits the state is kept, so that a hesitating rotor counts as one episode.
            "stands_now": pl.when(memory("short_now") > STANDS)
            .then(1.0)
            .when(memory("short_now") < TURNS)
            .then(0.0)
            .otherwise(memory("stands")),
        },
    )


def _learn(memory: Memory) -> Stage:
    dt, quick, stalled = pl.col("dt").fill_null(0.0), memory("quick"), memory("reported_stall")
    begins = (memory("stands_now") > memory("stands")) & stalled
    healthy = (memory("short_now").abs() < SHORTFALL / 2) & ~memory("excused") & ~stalled
    # Entering and leaving a scanner also makes the current jump, and a single jump is a start or a stop.
    jump = (
        pl.when(memory("since_mri_s") > LEFT_MRI_S).then(at_most(pl.col("motor_jump_ma"), MAX_JUMP_MA)).otherwise(0.0)
    )
    usual = pl.coalesce(memory("usual_ma") + forgetting(BASELINE_S) * memory("strain_now"), pl.col("motor_ma"))
    return {
        "short": memory("short") + quick * (memory("short_now") - memory("short")),
        "strain_ma": memory("strain_ma") + quick * (memory("strain_now") - memory("strain_ma")),
        "usual_ma": pl.when(healthy).then(usual),
        "stalled": memory("stalled") + quick * (stalled.cast(pl.Float32) - memory("stalled")),
        "stands": memory("stands_now"),
        "episodes": memory("episodes") * fading(DAY_S) + begins.cast(pl.Float32),
        "erratic_ma": memory("erratic_ma") + forgetting(ERRATIC_S) * (jump - memory("erratic_ma")),
        "since_mri_s": pl.when(memory("in_field")).then(0.0).otherwise(at_most(memory("since_mri_s") + dt, LONG_AGO_S)),
    }
