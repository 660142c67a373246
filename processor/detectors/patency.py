"""This file judges the catheter by pressure and pulsatility together, each against the pump's own past."""

from __future__ import annotations

from typing import Literal

import polars as pl

from processor.detectors import Detector, Memory, forgetting, toward

TAKEN_FOR_NORMAL = 0.5
"""Above half the limit a sample does not teach what is normal, so that a slow fault cannot become the norm."""


def patency(
    *,
    pressure: Literal["rises", "falls"],
    by_mmhg: float,
    pulse_lost: float,
    fast_s: float,
    slow_s: float,
    warm_up_s: float,
) -> Detector:
    """Score the lesser of two signs: pressure moved by `by_mmhg`, and the share `pulse_lost` of pulsatility is gone.

    A patent catheter carries the heartbeat and breathing of the spinal fluid to the pump (Saulino 2017,
    Neuromodulation 20:187: 89 % sensitive, 68 % specific), so pulsatility alone is never enough. With pressure risen
    it is an occlusion, with pressure fallen a disconnection; a stalled motor leaves the pulse as it is.
    """
    sign = 1.0 if pressure == "rises" else -1.0

    def raw(memory: Memory) -> pl.Expr:
        moved = sign * (memory("pressure") - memory("pressure_usual")) / by_mmhg
        lost = (1.0 - memory("pulse") / memory("pulse_usual").clip(0.1)) / pulse_lost
        both = moved.is_not_null() & lost.is_not_null()
        return pl.when(both).then(pl.min_horizontal(moved, lost).clip(0.0))

    def score(memory: Memory) -> pl.Expr:
        known = pl.col("pressure_mmhg") * 0.0 + pl.col("pulse_mmhg") * 0.0
        return pl.when(memory("seen_s") >= warm_up_s).then(raw(memory) + known).otherwise(known)

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        normal = raw(memory).fill_null(0.0) < TAKEN_FOR_NORMAL
        quick = forgetting(fast_s)
        slow = pl.when(normal).then(forgetting(slow_s)).otherwise(0.0)
        return {
            "pressure": toward(memory("pressure"), pl.col("pressure_mmhg"), quick),
            "pulse": toward(memory("pulse"), pl.col("pulse_mmhg"), quick),
            "pressure_usual": toward(memory("pressure_usual"), pl.col("pressure_mmhg"), slow),
            "pulse_usual": toward(memory("pulse_usual"), pl.col("pulse_mmhg"), slow),
            "seen_s": memory("seen_s") + pl.col("dt").fill_null(0.0),
        }

    memory = {"pressure": None, "pulse": None, "pressure_usual": None, "pulse_usual": None, "seen_s": 0.0}
    return Detector(score, memory, learn)
