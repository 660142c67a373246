"""Shift detector: a small lasting deviation of measured from expected flow, by cumulative sum (CUSUM)."""

from __future__ import annotations

from typing import Literal

import polars as pl

from processor.detectors import Detector, Memory, at_least, at_most
from processor.detectors.flag import reports

S_PER_H = 3600.0
MAX_STEP_S = 3600.0
SUM_CAP = 1.05


def shift(
    measured: str,
    expected: str,
    *,
    direction: Literal["below", "above"],
    slack: float,
    floor: float,
    reach_h: float,
) -> Detector:
    """Score the sum, over hours, of the relative difference beyond `slack`; the limit is `reach_h` hours of slack.

    The cumulative sum is that of Page (1954, Biometrika 41:100). A shift of twice the slack is detected after `reach_h`
    hours, a larger one sooner, one below the slack never. Below `floor` (the signal's unit) of expected flow, the
    difference is taken relative to the floor, because a share of almost no flow carries no information. The sum is
    capped 5 % above the limit, so that it falls soon after the shift ends. A gap counts as one hour at most; time in a
    magnetic field, where a pump stands for a known reason, does not count.
    """
    sign = -1.0 if direction == "below" else 1.0

    def score(memory: Memory) -> pl.Expr:
        return memory("sum_h") / (slack * reach_h) + 0.0 * pl.col(measured)

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        excess = sign * (pl.col(measured) - pl.col(expected)) / at_least(pl.col(expected), floor)
        relative = pl.when(~reports("mri")).then(excess)
        hours = at_most(pl.col("dt").fill_null(0.0), MAX_STEP_S) / S_PER_H
        return {"sum_h": (memory("sum_h") + (relative - slack) * hours).clip(0.0, SUM_CAP * slack * reach_h)}

    return Detector(score, {"sum_h": 0.0}, learn)
