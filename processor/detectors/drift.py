"""This file finds a signal that drifts away from its own past: two exponential averages, one fast and one slow."""

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
    """Score how far the fast average has left the slow one, in units of `by` (the signal's unit).

    The exponentially weighted moving average is the control chart of Roberts (1959, Technometrics 1:239). Two of
    them differ by rate x (slow_s - fast_s) on a steady ramp: works for slow changes of a steady signal, not for
    one that is meant to move. Silent until `warm_up_s` of samples have passed. `per_load` times the signal `load` is
    added first, to take away what is only the load of the moment.
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
