"""This file judges the motor: does the rotor turn as commanded, and if not, is it driven and how hard."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, fading, forgetting
from processor.detectors.flag import reports

MIN_UL_H: Final = 0.2
"""Below this commanded flow a shortfall is taken relative to it; about the least rate a pump can be set to."""
SHORT: Final = 0.12
"""Share of the commanded turn that is missed at the limit. Commanded and motor flow are the pump's own counts and agree
when it is well."""
STRAINED_MA: Final = 0.8
"""Current above its usual at which a motor is driven against something; modeling choice."""
STRETCH_S: Final = 600.0
USUAL_S: Final = 48 * 3600.0
DAY_S: Final = 86_400.0
MRI_TAIL_S: Final = 27 * 3600.0
"""A scan of an hour and the 2 to 24 hours that a pump was reported to take until it ran again, with some reserve."""
LONG_AGO_S: Final = 1e9
LEFT_MRI_S: Final = 1800.0
ERRATIC_S: Final = 900.0
ERRATIC_MA: Final = 0.6
MAX_JUMP_MA: Final = 1.0
"""Averaged change of the current from sample to sample at which it is erratic, some fifteen times the sensor's noise,
and what one window counts at most; modeling choices."""
STANDS: Final = 0.5
TURNS: Final = 0.2
EPISODES: Final = 1.6
"""Second stall within a day: the first counts 1 and fades, by less than 0.4 in half a day."""


def motor(cause: Literal["stall", "intermittent", "not driven", "after MRI", "erratic"]) -> Detector:
    """Score a rotor that turns less than commanded, if this is its `cause`, or a current that is "erratic".

    A blocked rotor draws more current or is reported by the pump as stalled: "stall"; again and again with good turns
    between: "intermittent". A motor that draws no more than usual is not asked to turn: "after MRI" where a field was
    reported within the last day, else "not driven". A pump in a magnetic field, after a reset or at its end of service
    stands for a known reason, and is not scored.
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
        stands = at_least(memory("short") / SHORT, 0.0)
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
    """Tell whether the motor is driven against something: it draws more than usual, or the pump says it stalls."""
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
            "says_stalled": reports("stalled"),
            "short_now": (commanded - pl.col("motor_ul_h")) / at_least(commanded, MIN_UL_H),
            "strain_now": pl.col("motor_ma") - memory("usual_ma"),
            "quick": forgetting(STRETCH_S),
        },
        {
            # Between the two limits it is as it was, so that a rotor that hesitates is one episode.
            "stands_now": pl.when(memory("short_now") > STANDS)
            .then(1.0)
            .when(memory("short_now") < TURNS)
            .then(0.0)
            .otherwise(memory("stands")),
        },
    )


def _learn(memory: Memory) -> Stage:
    dt, quick, stalled = pl.col("dt").fill_null(0.0), memory("quick"), memory("says_stalled")
    begins = (memory("stands_now") > memory("stands")) & stalled
    well = (memory("short_now").abs() < SHORT / 2) & ~memory("excused") & ~stalled
    # Into a scanner and out of it the current jumps as well, and one jump alone is a start or a stop.
    jump = (
        pl.when(memory("since_mri_s") > LEFT_MRI_S).then(at_most(pl.col("motor_jump_ma"), MAX_JUMP_MA)).otherwise(0.0)
    )
    usual = pl.coalesce(memory("usual_ma") + forgetting(USUAL_S) * memory("strain_now"), pl.col("motor_ma"))
    return {
        "short": memory("short") + quick * (memory("short_now") - memory("short")),
        "strain_ma": memory("strain_ma") + quick * (memory("strain_now") - memory("strain_ma")),
        "usual_ma": pl.when(well).then(usual),
        "stalled": memory("stalled") + quick * (stalled.cast(pl.Float32) - memory("stalled")),
        "stands": memory("stands_now"),
        "episodes": memory("episodes") * fading(DAY_S) + begins.cast(pl.Float32),
        "erratic_ma": memory("erratic_ma") + forgetting(ERRATIC_S) * (jump - memory("erratic_ma")),
        "since_mri_s": pl.when(memory("in_field")).then(0.0).otherwise(at_most(memory("since_mri_s") + dt, LONG_AGO_S)),
    }
