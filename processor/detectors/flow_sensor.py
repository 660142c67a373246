"""Flow sensor detector: excessive scatter, and readings that no rotor can deliver."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_most, forgetting, settling, toward

QUICK_S: Final = 2400.0
BASELINE_S: Final = 48 * 3600.0
NOISE_UL_H: Final = 0.07
SHARE: Final = 0.03
"""Expected sample-to-sample scatter of a healthy sensor: this constant plus this share of the flow. The baseline is
learned as a multiple of it, so that program steps do not look like noise. Modeling choices."""
MIN_JUMP: Final = 0.7
"""Lowest baseline scatter, as a multiple of the expected one; modeling choice."""
MANY: Final = 1e6
TIMES: Final = 2.5
"""Multiple of the baseline scatter at the limit; modeling choice."""
IMPOSSIBLE: Final = 3.0
CONCLUSIVE: Final = 15.0
"""Multiples of the commanded flow: no rotor delivers more than the first; 24 means per day instead of per hour, so the
second is conclusive even without scatter."""
MIN_UL_H: Final = 0.5
"""Below this commanded flow, ratios are taken relative to it."""
LEARN_BELOW: Final = 0.6
"""Scatter score above which the baseline is not updated."""
SLIP_SUSPECTED: Final = 0.8
"""Score of a unit slip above which scatter is not attributed to noise."""
MAX_JUMP: Final = 1.6
"""Multiple of the limit that one window contributes at most."""


def flow_sensor(finding: Literal["noise", "unit slip"]) -> Detector:
    """Score readings that scatter too much ("noise") or that cannot be in µL/h ("unit slip").

    "noise": readings scatter around the commanded flow more than this sensor's baseline. "unit slip": some or all
    readings are many times what any rotor delivers. The baseline is learned only while the scatter is low. Works at any
    flow; does not detect small lasting errors.
    """

    def score(memory: Memory) -> pl.Expr:
        known = 0.0 * pl.col("flow_ul_h") + 0.0 * pl.col("commanded_ul_h")
        if finding == "unit slip":
            return memory("slips") + known
        return pl.when(memory("slips") < SLIP_SUSPECTED).then(memory("scatter")).otherwise(0.0) + known

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
            "jumpy": memory("jump") * (NOISE_UL_H + SHARE * expected) / expected,
            "limit": TIMES * memory("jump_usual").clip(MIN_JUMP),
            "quick": forgetting(QUICK_S),
        },
        {
            "scatter": memory("restless") / memory("limit"),
            "slips": pl.when((memory("jumpy") > 1.0) | (memory("ratio") >= CONCLUSIVE))
            .then((memory("ratio") / IMPOSSIBLE).clip(0.0))
            .otherwise(0.0),
        },
    )


def _learn(memory: Memory) -> Stage:
    flow = pl.col("flow_ul_h")
    known = flow.is_not_null() & pl.col("dt").is_not_null()
    jump = pl.when(known).then(pl.col("flow_jump_ul_h") / (NOISE_UL_H + SHARE * pl.col("commanded_ul_h")))
    quiet = memory("scatter").is_null() | (memory("scatter") < LEARN_BELOW)
    pace = pl.when(quiet).then(settling(BASELINE_S, memory("windows"))).otherwise(0.0)
    return {
        "flow": toward(memory("flow"), flow, memory("quick")),
        "commanded": toward(memory("commanded"), pl.col("commanded_ul_h"), memory("quick")),
        "jump": toward(memory("jump"), jump, memory("quick")),
        # A change of posture squeezes the catheter: one window with a jump, however large, is not noise.
        "restless": toward(memory("restless"), jump.clip(0.0, MAX_JUMP * memory("limit")), memory("quick")),
        "jump_usual": toward(memory("jump_usual"), jump, pace),
        "windows": pl.when(known).then(at_most(memory("windows") + 1.0, MANY)),
    }
