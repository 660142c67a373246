"""This file judges the flow sensor by how its readings scatter and by what no rotor can deliver."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_most, forgetting, settling, toward

QUICK_S: Final = 2400.0
USUAL_S: Final = 48 * 3600.0
OWN_UL_H: Final = 0.07
SHARE: Final = 0.03
"""A flow sensor's scatter grows with the flow: from sample to sample about this much, and this share of the flow. What
is learned is how many times that it is, so that a program's steps do not look like noise. Modeling choices."""
MIN_JUMP: Final = 0.7
MANY: Final = 1e6
TIMES: Final = 2.5
"""Times the usual scatter at the limit."""
IMPOSSIBLE: Final = 3.0
CERTAINLY: Final = 15.0
"""Times the commanded flow: more than three no rotor can deliver, and 24 is an hour taken for a day."""
MIN_UL_H: Final = 0.5
CALM: Final = 0.6
ALMOST: Final = 0.8
AT_MOST: Final = 1.6


def flow_sensor(finding: Literal["noise", "unit slip"]) -> Detector:
    """Score readings that scatter too much ("noise"), or that cannot be meant in µL/h ("unit slip").

    Noise lies around the commanded flow and is more than this sensor's usual; with another unit some of the readings,
    or all, are many times what any rotor delivers. What is usual is learned while nothing is found. Works for any flow;
    says nothing of small lasting errors.
    """

    def score(memory: Memory) -> pl.Expr:
        known = 0.0 * pl.col("flow_ul_h") + 0.0 * pl.col("commanded_ul_h")
        if finding == "unit slip":
            return memory("slips") + known
        return pl.when(memory("slips") < ALMOST).then(memory("scatter")).otherwise(0.0) + known

    return Detector(
        score,
        {"flow": None, "commanded": None, "jump": None, "restless": None, "jump_usual": None, "windows": 0.0},
        _learn,
        family="flow_sensor",
        derive=_derive,
    )


def _derive(memory: Memory) -> tuple[Stage, ...]:
    expected = memory("commanded").clip(MIN_UL_H)
    return (
        {
            "ratio": memory("flow") / expected,
            "jumpy": memory("jump") * (OWN_UL_H + SHARE * expected) / expected,
            "limit": TIMES * memory("jump_usual").clip(MIN_JUMP),
            "quick": forgetting(QUICK_S),
        },
        {
            "scatter": memory("restless") / memory("limit"),
            "slips": pl.when((memory("jumpy") > 1.0) | (memory("ratio") >= CERTAINLY))
            .then((memory("ratio") / IMPOSSIBLE).clip(0.0))
            .otherwise(0.0),
        },
    )


def _learn(memory: Memory) -> Stage:
    flow = pl.col("flow_ul_h")
    told = flow.is_not_null() & pl.col("dt").is_not_null()
    jump = pl.when(told).then(pl.col("flow_jump_ul_h") / (OWN_UL_H + SHARE * pl.col("commanded_ul_h")))
    calm = memory("scatter").is_null() | (memory("scatter") < CALM)
    pace = pl.when(calm).then(settling(USUAL_S, memory("windows"))).otherwise(0.0)
    return {
        "flow": toward(memory("flow"), flow, memory("quick")),
        "commanded": toward(memory("commanded"), pl.col("commanded_ul_h"), memory("quick")),
        "jump": toward(memory("jump"), jump, memory("quick")),
        # A change of posture squeezes the catheter: one window, however large its jump, is not yet noise.
        "restless": toward(memory("restless"), jump.clip(0.0, AT_MOST * memory("limit")), memory("quick")),
        "jump_usual": toward(memory("jump_usual"), jump, pace),
        "windows": pl.when(told).then(at_most(memory("windows") + 1.0, MANY)),
    }
