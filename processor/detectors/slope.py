"""Slope detector: a signal that falls steadily, regardless of single steps."""

from __future__ import annotations

import polars as pl

from processor.detectors import Detector, Memory, at_least, forgetting

S_PER_H = 3600.0


def slope(
    signal: str,
    *,
    falls_per_h: float,
    step: float,
    tau_s: float,
    load: str | None = None,
    per_load: float = 0.0,
) -> Detector:
    """Score the averaged fall per hour against `falls_per_h` (the signal's unit per hour).

    The change from window to window is clipped to `step`, so that a jump counts little and a trend in full; `step` must
    not be below the sensor's resolution, or a trend would be clipped too. `per_load` times the signal `load` is added
    first, to correct for the momentary load. Works for slow trends of a steady signal; steps are for `drift`.
    """
    value = pl.col(signal) if load is None else pl.col(signal) + per_load * pl.col(load)

    def score(memory: Memory) -> pl.Expr:
        return at_least(memory("fall_per_h"), 0.0) / falls_per_h + 0.0 * value

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        hours = at_least(pl.col("dt").fill_null(0.0) / S_PER_H, 1.0 / S_PER_H)
        fall = (memory("last") - value).clip(-step, step) / hours
        return {
            "fall_per_h": memory("fall_per_h") + forgetting(tau_s) * (fall.fill_null(0.0) - memory("fall_per_h")),
            "last": value,
        }

    return Detector(score, {"fall_per_h": 0.0, "last": None}, learn)
