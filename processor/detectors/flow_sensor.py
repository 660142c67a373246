"""This file judges the flow sensor by how its readings scatter and by what no rotor can deliver."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, forgetting, toward

QUICK_S: Final = 2400.0
USUAL_S: Final = 48 * 3600.0
LEAST_JUMP_UL_H: Final = 0.1
TIMES: Final = 2.5
"""Times the usual scatter at the limit."""
IMPOSSIBLE: Final = 3.0
CERTAINLY: Final = 15.0
"""Times the commanded flow: more than three no rotor can deliver, and 24 is an hour taken for a day."""
LEAST_UL_H: Final = 0.5


def flow_sensor(finding: Literal["noise", "unit slip"]) -> Detector:
    """Score readings that scatter more than this sensor's usual, around the commanded flow: "noise"; or that lie, some of
    them or all, so far above it that another unit must be meant: "unit slip".

    What is usual is learned while nothing is found. Works for any flow; says nothing of small lasting errors.
    """

    def score(memory: Memory) -> pl.Expr:
        known = 0.0 * pl.col("flow_ul_h") + 0.0 * pl.col("commanded_ul_h")
        expected = memory("commanded").clip(LEAST_UL_H)
        ratio = memory("flow") / expected
        jumpy = memory("jump") / expected
        slips = pl.when((jumpy > 1.0) | (ratio >= CERTAINLY)).then(ratio / IMPOSSIBLE).otherwise(0.0)
        if finding == "unit slip":
            return slips.clip(0.0) + known
        scatter = memory("jump") / (TIMES * memory("jump_usual").clip(LEAST_JUMP_UL_H))
        return pl.when(slips < 0.8).then(scatter).otherwise(0.0) + known

    return Detector(
        score,
        {"flow": None, "commanded": None, "jump": None, "jump_usual": None},
        _learn,
        family="flow_sensor",
    )


def _learn(memory: Memory) -> dict[str, pl.Expr]:
    flow, commanded = pl.col("flow_ul_h"), pl.col("commanded_ul_h")
    quick = forgetting(QUICK_S)
    jump = pl.when(flow.is_not_null() & pl.col("dt").is_not_null()).then(pl.col("flow_jump_ul_h"))
    calm = memory("jump").is_null() | (memory("jump") < 0.6 * TIMES * memory("jump_usual").clip(LEAST_JUMP_UL_H))
    usual = pl.when(calm).then(forgetting(USUAL_S)).otherwise(0.0)
    return {
        "flow": toward(memory("flow"), flow, quick),
        "commanded": toward(memory("commanded"), commanded, quick),
        "jump": toward(memory("jump"), jump, quick),
        "jump_usual": toward(memory("jump_usual"), jump, usual),
    }
