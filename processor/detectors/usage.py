"""Usage detector: daily consumption, drug effect and battery load of each pump, for forecasts and refills falling due.

The mean commanded flow is taken over whole days, so that steps within the day do not show in it; a new program
changes it at once, in proportion to the rate. Also kept: measured per commanded flow, the remaining effect of the drug
delivered so far for three half-lives, and the battery voltage corrected for motor load.
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from broker.contract.datasheet import BATTERY_OHM, LOW_RESERVOIR_ML
from processor.detectors import Detector, Memory, Stage, at_least, at_most, forgetting, settling, toward
from processor.detectors.flag import reports

S_PER_H: Final = 3600.0
DAY_S: Final = 86_400.0
UL_PER_ML: Final = 1000.0
HALF_LIVES_H: Final = {"effect_short": 1.4, "effect_middle": 3.0, "effect_long": 4.6}
"""10th, 50th and 90th percentile of the half-life, if it is evenly distributed from 1 to 5 h (Sallerin-Caute 1991 and J
Neurosurg 1987;66:181: 0.9 to 5 h; the even distribution is a modeling choice)."""
GAIN_S: Final = 6 * S_PER_H
VOLTS_S: Final = DAY_S
DAYS: Final = 7.0
"""Number of whole days in the mean, so that a bolus or an unusual day counts little."""
SAG_V_PER_MA: Final = BATTERY_OHM / 1000
"""Voltage drop per milliampere of motor current of a healthy battery."""
STEP_V: Final = 0.03
"""A voltage that differs by more from its average starts a new average: a failed cell or a new pump."""
NEW_LEVEL_SHARE: Final = 0.15
NEW_LEVEL_UL_H: Final = 0.15
"""A flow that differs from its baseline by more than this share of the commanded flow plus this allowance for noise, in
two consecutive windows, starts a new average; modeling choices."""
MAX_SHARE: Final = 3.0
"""Multiple of the commanded flow that no rotor can exceed."""
MIN_UL_H: Final = 0.3
"""Below this commanded flow a pump is paused, and shares of its flow carry no information."""
NUMBERS: Final = 2**16
"""Program numbers are compared modulo this, which float32 holds exactly."""
MANY: Final = 1e6
LN2: Final = math.log(2.0)


def usage(*, due_days: float) -> Detector:
    """Score `due_days` against the days until the reservoir is low under the current program: 1 if they are equal.

    Works on the measured level, the mean commanded flow of whole days and the measured share of it. Unknown until a
    whole day of the program has been received.
    """

    def score(memory: Memory) -> pl.Expr:
        left_ul = (pl.col("reservoir_ml") - LOW_RESERVOIR_ML) * UL_PER_ML
        due_ul = memory("day_ul_h") * memory("gain") * (due_days * DAY_S / S_PER_H)
        return due_ul / left_ul.clip(1.0)

    memory: dict[str, float | None] = {
        "program": None,
        "before_ul_h": None,
        "day_s": 0.0,
        "day_ul": 0.0,
        "day_ul_h": None,
        "days": 0.0,
        "odd": 0.0,
        "windows": 0.0,
        "flow_ul_h": None,
        "commanded_ul_h": None,
        **dict.fromkeys(HALF_LIVES_H, 1.0),
        "idle_v": None,
        "volts": 0.0,
        "load_ma": None,
    }
    return Detector(score, memory, _learn, family="usage", derive=_derive)


def _derive(memory: Memory) -> tuple[Stage, ...]:
    commanded, dt = pl.col("commanded_ul_h"), pl.col("dt").fill_null(0.0)
    number = (pl.col("program") & (NUMBERS - 1)).cast(pl.Float32)
    idle_v = pl.col("battery_v") + SAG_V_PER_MA * pl.col("motor_ma")
    return (
        {
            "number": number,
            "changed": (number != memory("program")).fill_null(value=False),
            # The window of the change mixes both programs: the one after it is compared with the one before.
            "moved": (memory("day_s") < 0.0) & commanded.is_not_null(),
            "gathered_s": at_least(memory("day_s"), 0.0) + pl.when(commanded.is_not_null()).then(dt).otherwise(0.0),
            "gathered_ul": memory("day_ul") + (commanded * dt / S_PER_H).fill_null(0.0),
            "gain": memory("flow_ul_h") / memory("commanded_ul_h"),
            "share_now": pl.when(commanded >= MIN_UL_H).then(pl.col("flow_ul_h") / commanded).clip(0.0, MAX_SHARE),
            "runs": (commanded >= MIN_UL_H) & pl.col("flow_ul_h").is_not_null(),
            "load_now_ma": pl.col("motor_ma") * pl.col("motor_ul_h") / commanded,
            "idle_now_v": idle_v,
            "jumped": ((idle_v - memory("idle_v")).abs() > STEP_V).fill_null(value=False),
        },
        {
            "odd_now": (
                (pl.col("flow_ul_h") - memory("gain") * commanded).abs() > NEW_LEVEL_SHARE * commanded + NEW_LEVEL_UL_H
            ).fill_null(value=False),
            "complete": (memory("gathered_s") > DAY_S - 1.0) & ~memory("changed"),
            "scaled_ul_h": pl.when((memory("before_ul_h") >= MIN_UL_H) & (commanded >= MIN_UL_H))
            .then(memory("day_ul_h") * commanded / memory("before_ul_h"))
            .otherwise(commanded),
        },
        {
            # A single window may mix before and after, or be due to posture.
            "another": memory("odd_now") & (memory("odd") > 0.0),
        },
        {
            "slowly": pl.when(memory("another"))
            .then(1.0)
            .otherwise(settling(GAIN_S, memory("windows")))
            .cast(pl.Float32),
        },
    )


def _learn(memory: Memory) -> Stage:
    begins = memory("changed") | memory("complete")
    whole = memory("gathered_ul") / (memory("gathered_s") / S_PER_H)
    days = at_most(memory("days") + 1.0, DAYS)
    runs = memory("runs")
    paced = pl.when(memory("jumped")).then(1.0).otherwise(settling(VOLTS_S, memory("volts")))
    return {
        "program": memory("number"),
        "before_ul_h": pl.when(~memory("changed")).then(pl.col("commanded_ul_h")),
        "day_s": pl.when(memory("changed") | ((memory("day_s") < 0.0) & ~memory("moved")))
        .then(-1.0)
        .when(begins)
        .then(0.0)
        .otherwise(memory("gathered_s")),
        "day_ul": pl.when(begins).then(0.0).otherwise(memory("gathered_ul")),
        "day_ul_h": pl.when(memory("complete"))
        .then(pl.coalesce(memory("day_ul_h") + (whole - memory("day_ul_h")) / days, whole))
        .when(memory("moved"))
        .then(memory("scaled_ul_h")),
        "days": pl.when(memory("changed")).then(0.0).when(memory("complete")).then(days),
        "odd": pl.when(runs).then((memory("odd_now") & ~memory("another")).cast(pl.Float32)),
        "windows": pl.when(runs & memory("another")).then(1.0).when(runs).then(at_most(memory("windows") + 1.0, MANY)),
        "flow_ul_h": pl.when(runs).then(toward(memory("flow_ul_h"), pl.col("flow_ul_h"), memory("slowly"))),
        "commanded_ul_h": pl.when(runs).then(
            toward(memory("commanded_ul_h"), pl.col("commanded_ul_h"), memory("slowly"))
        ),
        **{
            name: memory(name) + forgetting(hours * S_PER_H / LN2) * (memory("share_now") - memory(name))
            for name, hours in HALF_LIVES_H.items()
        },
        "idle_v": toward(memory("idle_v"), memory("idle_now_v"), paced),
        "volts": pl.when(memory("jumped"))
        .then(1.0)
        .when(memory("idle_now_v").is_not_null())
        .then(at_most(memory("volts") + 1.0, MANY)),
        "load_ma": pl.when(runs & ~reports("mri")).then(
            toward(memory("load_ma"), memory("load_now_ma"), memory("slowly"))
        ),
    }
