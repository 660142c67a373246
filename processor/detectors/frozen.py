"""Frozen sensor detector: a live flow sensor seldom gives the same reading twice."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.detectors import Detector, Memory, forgetting

SHARE: Final = 0.15
"""Averaged share of repeated readings at the limit; modeling choice, far above what the resolution alone causes."""


def frozen(*, tau_s: float, share: float = SHARE) -> Detector:
    """Score the averaged share of flow readings identical to the previous one, against `share`.

    Noise makes identical neighbors rare; how rare depends on the sensor's resolution, so `share` lies well above that.
    Works for sensors with noise above their resolution; unknown while flow is unknown.
    """

    def score(memory: Memory) -> pl.Expr:
        return memory("repeats") / share + 0.0 * pl.col("flow_ul_h")

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        return {"repeats": memory("repeats") + forgetting(tau_s) * (pl.col("flow_repeats") - memory("repeats"))}

    return Detector(score, {"repeats": 0.0}, learn)
