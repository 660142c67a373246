"""Drift detector: the gap between a fast and a slow exponential average of a signal."""

from __future__ import annotations

from typing import Literal

import polars as pl

from processor.detectors import Detector, Memory, at_least, forgetting, toward


def drift(
    signal: str,
    *,
    by: float,
    direction: Literal["up", "down", "both"],
    fast_s: float,
    slow_s: float,
    warm_up_s: float,
    load: str | None = None,
    per_load: float = 0.0,
) -> Detector:
    """Score the gap between the fast and the slow average, in units of `by` (the signal's unit).

    The exponentially weighted moving average is the control chart of Roberts (1959, Technometrics 1:239). On a steady
    ramp, two of them differ by rate x (slow_s - fast_s). Works for slow changes and steps of a steady signal, not for a
    signal that is meant to move. Scores 0 until `warm_up_s` of samples have passed. `per_load` times the signal `load`
    is added first, to correct for the momentary load.
    """
    value = pl.col(signal) if load is None else pl.col(signal) + per_load * pl.col(load)

    def score(memory: Memory) -> pl.Expr:
        gap = memory("fast") - memory("slow")
        signed = {"up": gap, "down": -gap, "both": gap.abs()}[direction]
        warm = memory("seen_s") >= warm_up_s
        return pl.when(warm).then(at_least(signed, 0.0) / by).otherwise(0.0) + 0.0 * value

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        return {
            "fast": toward(memory("fast"), value, forgetting(fast_s)),
            "slow": toward(memory("slow"), value, forgetting(slow_s)),
            "seen_s": memory("seen_s") + pl.col("dt").fill_null(0.0),
        }

    return Detector(score, {"fast": None, "slow": None, "seen_s": 0.0}, learn)
