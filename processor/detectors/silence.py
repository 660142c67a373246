"""This file finds a pump that no longer speaks."""

from __future__ import annotations

import polars as pl

from processor.detectors import Detector, Memory, forgetting, toward

USUAL_OVER_S = 3600.0


def silence(*, floor_s: float, intervals: float) -> Detector:
    """Score the time since the last sample against `intervals` times the pump's usual interval, at least `floor_s`.

    The usual interval is learned from each pump's own samples, so that one that reports hourly is not silent after
    ten minutes. A gap pulls it up only slowly and by no more than to `intervals` times itself.
    """

    def score(memory: Memory) -> pl.Expr:
        return pl.col("age") / (intervals * memory("usual_s").fill_null(0.0)).clip(floor_s)

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        gap = pl.min_horizontal(pl.col("dt"), intervals * memory("usual_s"))
        return {"usual_s": toward(memory("usual_s"), gap, forgetting(USUAL_OVER_S))}

    return Detector(score, {"usual_s": None}, learn, judges="age")
