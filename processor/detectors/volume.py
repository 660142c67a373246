"""This file lets commanded flow, measured flow and reservoir vote: who disagrees with the two others.

What is left in the reservoir plus what has been commanded since, or what has been measured since, stays what it was. Of
both sums two exponential averages are kept, a quick and a slow one; the gap between them tells how fast a sum changes,
and is blind to its level, which nobody knows. Only the distances of the averages from the sums are stored: they stay
small, so float32 keeps them exact enough for months.
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
"""Over a longer gap the flow is not known, and nothing is added up."""
FILLED_ML: Final = 1.0
"""A level that rises by more than this from window to window was filled, whether that was recorded or not."""
EVIDENCE_UL: Final = 12.0
"""Some four standard deviations of a gap: the level is read to about 9 µL a window and averaged over many."""
UNEXPLAINED_UL: Final = 25.0
FALLS_UL: Final = 300.0
"""Distance of the quick average at which volume vanishes faster than any sensor drifts: about 200 µL/h."""
SLACK: Final = 0.08
"""Accuracy that is not held against a pump: 5 % of its own and what altitude adds; labelled bands are 10 to 15 %."""
REACH_H: Final = 5.25
HIGHEST: Final = 1.05
MIN_UL_H: Final = 1.0
MANY: Final = 1e6
IMPOSSIBLE: Final = 3.0
"""Times the commanded flow that no rotor can deliver."""

Finding = Literal["over-infusion", "flow sensor", "level sensor", "reservoir falls"]


def volume(finding: Finding) -> Detector:
    """Score one finding of the vote.

    "over-infusion": more flow than commanded, by a cumulative sum (Page 1954, Biometrika 41:100) of what exceeds 8 %,
    unless the reservoir clearly says that it is not so. "flow sensor": flow disagrees with commanded flow and the
    reservoir does not follow it. "level sensor": the reservoir alone disagrees, slowly; "reservoir falls": fast.
    """

    def score(memory: Memory) -> pl.Expr:
        by_flow, by_level, both = memory("by_flow"), memory("by_level"), memory("both")
        known = pl.col("commanded_ul_h") * 0.0 + pl.col("flow_ul_h") * 0.0
        if finding == "over-infusion":
            denied = (by_flow >= EVIDENCE_UL) & (by_level < by_flow / 2)
            return pl.when(denied).then(0.0).otherwise(memory("over_h") / (SLACK * REACH_H)) + known
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
    """Return by how much (µL) more has left the reservoir in the last hours than was commanded; less is negative."""
    return memory("commanded_quick") - memory("commanded_slow")


def unexplained_ul(memory: Memory) -> pl.Expr:
    """Return by how much (µL) more flowed in the last hours than has left the reservoir."""
    return memory("measured_slow") - memory("measured_quick")


def by_flow_ul(memory: Memory) -> pl.Expr:
    """Return by how much (µL) more has flowed in the last hours than was commanded; less is negative."""
    return unexplained_ul(memory) + by_level_ul(memory)


def vanished_ul(memory: Memory) -> pl.Expr:
    """Return how much (µL) has left the reservoir in the last hour and a half and did not flow out."""
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
        "over_h": over_h.clip(0.0, HIGHEST * SLACK * REACH_H),
        "level_ml": pl.col("reservoir_ml"),
        "windows": pl.when(memory("refilled")).then(0.0).otherwise(at_most(memory("windows") + 1.0, MANY)),
        # A level that was filled within the window is a mean of before and after: the next one starts the comparison.
        "compares": pl.when(memory("refilled")).then(0.0).otherwise(1.0),
    }
