"""This file lets commanded flow, measured flow and reservoir vote: who disagrees with the two others.

What is left in the reservoir plus what has been commanded since, or what has been measured since, stays what it was. Of
both sums two exponential averages are kept, a quick and a slow one; the gap between them tells how fast a sum changes,
and is blind to its level, which nobody knows. Only the distances of the averages from the sums are stored: they stay
small, so float32 keeps them exact enough for months.
"""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory, forgetting
from processor.detectors.flag import reports

UL_PER_ML: Final = 1000.0
S_PER_H: Final = 3600.0
QUICK_S: Final = 1.5 * 3600.0
SLOW_S: Final = 24 * 3600.0
LONGEST_GAP_S: Final = 3600.0
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
LEAST_UL_H: Final = 1.0
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
        known = pl.col("commanded_ul_h") * 0.0 + pl.col("flow_ul_h") * 0.0
        by_level = memory("commanded_quick") - memory("commanded_slow")
        both = memory("measured_slow") - memory("measured_quick")
        by_flow = both + by_level
        denied = (by_flow.abs() >= EVIDENCE_UL) & (by_level * by_flow.sign() < by_flow.abs() / 2)
        if finding == "over-infusion":
            return pl.when(denied & (by_flow > 0)).then(0.0).otherwise(memory("over_h") / (SLACK * REACH_H)) + known
        if finding == "flow sensor":
            unconfirmed = 1.0 - by_level * by_flow.sign() / by_flow.abs().clip(EVIDENCE_UL / 2)
            return pl.min_horizontal(by_flow.abs() / EVIDENCE_UL, 2.0 * unconfirmed) + known
        falls = (-memory("measured_quick")).clip(0.0) / FALLS_UL
        if finding == "reservoir falls":
            return falls + known + 0.0 * pl.col("reservoir_ml")
        alone = by_flow.abs() < 0.4 * both.abs() + 3.0
        return pl.when(alone & (falls < 1.0)).then(both.abs() / UNEXPLAINED_UL).otherwise(0.0) + known

    memory = {
        "level_ml": None,
        "compares": 0.0,
        "commanded_quick": 0.0,
        "commanded_slow": 0.0,
        "measured_quick": 0.0,
        "measured_slow": 0.0,
        "over_h": 0.0,
    }
    return Detector(score, memory, _learn, family="volume")


def _learn(memory: Memory) -> dict[str, pl.Expr]:
    dt = pl.col("dt").fill_null(0.0)
    hours = dt / S_PER_H
    level, commanded, flow = pl.col("reservoir_ml"), pl.col("commanded_ul_h"), pl.col("flow_ul_h")
    rose_ml = level - memory("level_ml")
    refilled = reports("refill") | (rose_ml > FILLED_ML)
    counts = rose_ml.is_not_null() & (memory("compares") > 0) & ~refilled & (dt <= LONGEST_GAP_S)
    learned: dict[str, pl.Expr] = {}
    for name, out in (("commanded", commanded), ("measured", flow)):
        change_ul = pl.when(counts).then(rose_ml * UL_PER_ML + out * hours).otherwise(0.0)
        for pace, tau_s in (("quick", QUICK_S), ("slow", SLOW_S)):
            old = memory(f"{name}_{pace}")
            learned[f"{name}_{pace}"] = (old + change_ul) * (1.0 - forgetting(tau_s))
    surplus = (flow - commanded) / commanded.clip(LEAST_UL_H)
    over = (memory("over_h") + (surplus.clip(-1.0, IMPOSSIBLE) - SLACK) * hours.clip(0.0, 1.0)).clip(
        0.0, HIGHEST * SLACK * REACH_H
    )
    return {
        **learned,
        "over_h": over,
        "level_ml": level,
        # A level that was filled within the window is a mean of before and after: the next one starts the comparison.
        "compares": pl.when(refilled).then(0.0).otherwise(1.0),
    }
