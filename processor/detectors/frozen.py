"""This file finds a sensor that repeats itself: a live one never says the same twice for long."""

from __future__ import annotations

import polars as pl

from processor.detectors import Detector, Memory, forgetting


def frozen(signal: str, *, share: float, tau_s: float, moving_above: float) -> Detector:
    """Score the averaged share of samples that repeat the one before, against `share`.

    Noise makes equal neighbours rare; how rare depends on the sensor's resolution, so `share` lies well above that.
    Only values above `moving_above` (the signal's unit) count: a flow of nothing may well stand still.
    """

    def score(memory: Memory) -> pl.Expr:
        return memory("repeats") / share + 0.0 * pl.col(signal)

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        repeated = (pl.col(signal) == memory("last")) & (pl.col(signal) > moving_above)
        share_now = repeated.fill_null(value=False).cast(pl.Float32)
        return {
            "repeats": memory("repeats") + forgetting(tau_s) * (share_now - memory("repeats")),
            "last": pl.col(signal),
        }

    return Detector(score, {"repeats": 0.0, "last": None}, learn)
