"""Volume detector: commanded flow, measured flow and reservoir level vote; the one that disagrees is at fault.

Reservoir volume plus the volume commanded since, or measured since, is constant in a healthy pump. For both sums a
quick and a slow exponential average are kept; the gap between them shows how fast a sum changes and is independent of
its level, which is unknown. Only the distances of the averages from the sums are stored: they stay small, so float32 is
precise enough for months.
"""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, Stage, at_least, at_most, settling
from processor.detectors.flag import reports

UL_PER_ML: Final = 1000.0
S_PER_H: Final = 3600.0
QUICK_S: Final = 1.5 * 3600.0
SLOW_S: Final = 24 * 3600.0
MAX_GAP_H: Final = 1.0
"""Over a longer gap the flow is unknown and does not count."""
FILLED_ML: Final = 1.0
"""A level that rises by more than this from window to window is a refill, recorded or not."""
EVIDENCE_UL: Final = 12.0
"""About four standard deviations of a gap: the level is read to about 9 µL per window and averaged over many."""
UNEXPLAINED_UL: Final = 25.0
"""Mismatch of flow and reservoir at the limit of a level sensor fault; modeling choice."""
FALLS_UL: Final = 300.0
"""Distance of the quick average at which volume is lost faster than any sensor drifts: about 200 µL/h."""
SLACK: Final = 0.08
"""Tolerated excess: 5 % accuracy of the pump plus the effect of altitude; labeled accuracy is 10 to 15 %."""
REACH_H: Final = 5.25
SUM_CAP: Final = 1.05
MIN_UL_H: Final = 1.0
MANY: Final = 1e6
IMPOSSIBLE: Final = 3.0
"""Multiple of the commanded flow that no rotor can exceed."""

Finding = Literal["over-infusion", "flow sensor", "level sensor", "reservoir falls"]


def volume(finding: Finding) -> Detector:
    """Score one finding of the vote.

    "over-infusion": more flow than commanded, by a cumulative sum (Page 1954, Biometrika 41:100) of the excess beyond
    8 %, unless the reservoir clearly contradicts it. "flow sensor": measured and commanded flow disagree, and the
    reservoir does not follow the measured flow. "level sensor": the reservoir alone disagrees, slowly; "reservoir
    falls": fast. Needs both flows; without a level, over-infusion rests on flow alone. Starts anew after a refill.
    """

    def score(memory: Memory) -> pl.Expr:
        by_flow, by_level, both = memory("by_flow"), memory("by_level"), memory("both")
        known = pl.col("commanded_ul_h") * 0.0 + pl.col("flow_ul_h") * 0.0
        if finding == "over-infusion":
            contradicted = (by_flow >= EVIDENCE_UL) & (by_level < by_flow / 2)
            return pl.when(contradicted).then(0.0).otherwise(memory("over_h") / (SLACK * REACH_H)) + known
        if finding == "flow sensor":
            unconfirmed = 1.0 - by_level * by_flow.sign() / at_least(by_flow.abs(), EVIDENCE_UL / 2)
            return pl.min_horizontal(by_flow.abs() / EVIDENCE_UL, 2.0 * unconfirmed) + known
        if finding == "reservoir falls":
            return memory("falls") + known + 0.0 * pl.col("reservoir_ml")
        alone = by_flow.abs() < 0.4 * both.abs() + 3.0
        return pl.when(alone & (memory("falls") < 1.0)).then(both.abs() / UNEXPLAINED_UL).otherwise(0.0) + known

    memory = {
        "level_ml": None,
        "compares": 0.0,
        "windows": 0.0,
        "commanded_quick": 0.0,
        "commanded_slow": 0.0,
        "measured_quick": 0.0,
        "measured_slow": 0.0,
        "over_h": 0.0,
    }
    return Detector(score, memory, _learn, family="volume", derive=_derive)


def by_level_ul(memory: Memory) -> pl.Expr:
    """Return the volume (µL) lost from the reservoir beyond commanded flow in the last hours; negative if less."""
    return memory("commanded_quick") - memory("commanded_slow")


def unexplained_ul(memory: Memory) -> pl.Expr:
    """Return the measured flow (µL) of the last hours not matched by a loss of reservoir volume."""
    return memory("measured_slow") - memory("measured_quick")


def by_flow_ul(memory: Memory) -> pl.Expr:
    """Return the measured flow (µL) beyond commanded flow in the last hours; negative if less."""
    return unexplained_ul(memory) + by_level_ul(memory)


def vanished_ul(memory: Memory) -> pl.Expr:
    """Return the volume (µL) lost from the reservoir in the last 90 min that did not flow out."""
    return at_least(-memory("measured_quick"), 0.0)


def _derive(memory: Memory) -> tuple[Stage, ...]:
    rose_ml = pl.col("reservoir_ml") - memory("level_ml")
    dt = pl.col("dt").fill_null(0.0)
    return (
        {
            "by_level": by_level_ul(memory),
            "both": unexplained_ul(memory),
            "by_flow": by_flow_ul(memory),
            "falls": vanished_ul(memory) / FALLS_UL,
            "rose_ul": rose_ml * UL_PER_ML,
            "hours": dt / S_PER_H,
            "refilled": reports("refill") | (rose_ml > FILLED_ML).fill_null(value=False),
            "stays_quick": 1.0 - settling(QUICK_S, memory("windows")),
            "stays_slow": 1.0 - settling(SLOW_S, memory("windows")),
        },
        {
            "counts": memory("rose_ul").is_not_null()
            & (memory("compares") > 0)
            & ~memory("refilled")
            & (memory("hours") <= MAX_GAP_H),
        },
        {
            f"{name}_ul": pl.when(memory("counts"))
            .then(memory("rose_ul") + pl.col(f"{signal}_ul_h") * memory("hours"))
            .otherwise(0.0)
            for name, signal in (("commanded", "commanded"), ("measured", "flow"))
        },
    )


def _learn(memory: Memory) -> Stage:
    commanded = pl.col("commanded_ul_h")
    surplus = ((pl.col("flow_ul_h") - commanded) / at_least(commanded, MIN_UL_H)).clip(-1.0, IMPOSSIBLE)
    over_h = memory("over_h") + (surplus - SLACK) * at_most(memory("hours"), 1.0)
    return {
        **{
            f"{name}_{pace}": pl.when(memory("refilled"))
            .then(0.0)
            .otherwise((memory(f"{name}_{pace}") + memory(f"{name}_ul")) * memory(f"stays_{pace}"))
            for name in ("commanded", "measured")
            for pace in ("quick", "slow")
        },
        "over_h": over_h.clip(0.0, SUM_CAP * SLACK * REACH_H),
        "level_ml": pl.col("reservoir_ml"),
        "windows": pl.when(memory("refilled")).then(0.0).otherwise(at_most(memory("windows") + 1.0, MANY)),
        # A window with a refill mixes before and after: the comparison starts with the next one.
        "compares": pl.when(memory("refilled")).then(0.0).otherwise(1.0),
    }
