"""This file balances the volume that left the reservoir against the flow that was measured since the last refill."""

from __future__ import annotations

import polars as pl

from broker.signals import FLAG_BIT
from processor.detectors import Detector, Memory, forgetting

UL_PER_ML = 1000.0
S_PER_H = 3600.0
LONGEST_GAP_S = 3600.0
SETTLING_S = 3600.0
"""Over this first stretch the level is averaged into the start value: one reading is off by the sensor's noise."""


def balance(*, share: float, floor_ul: float, tau_s: float) -> Detector:
    """Score the averaged imbalance against `share` of the delivered volume but at least `floor_ul`.

    What is left in the reservoir and what flowed out are two witnesses of one volume: their sum stays what it was.
    Whatever leaves one without passing the other is a sensor that errs or drug that went elsewhere. Begins anew at the
    pump's first sample, at a recorded refill, and after a gap of more than an hour, over which the flow is not known.
    """

    def score(memory: Memory) -> pl.Expr:
        allowed = (share * memory("delivered_ul")).clip(floor_ul)
        return memory("gap_ul").abs() / allowed + 0.0 * pl.col("reservoir_ml") + 0.0 * pl.col("flow_ul_h")

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        dt = pl.col("dt").fill_null(0.0)
        refilled = (pl.col("flags").fill_null(0) & FLAG_BIT["refill"]) != 0
        anew = refilled | memory("sum_ul").is_null() | (dt > LONGEST_GAP_S)
        level_ul = pl.col("reservoir_ml") * UL_PER_ML
        delivered = memory("delivered_ul") + pl.col("flow_ul_h") * dt / S_PER_H
        settling = memory("settled_s") < SETTLING_S
        weight = pl.when(settling).then(dt / (memory("settled_s") + dt).clip(1.0)).otherwise(0.0)
        off = level_ul + delivered - memory("sum_ul")
        gap = pl.when(settling).then(0.0).otherwise(memory("gap_ul") + forgetting(tau_s) * (off - memory("gap_ul")))
        return {
            "sum_ul": pl.when(anew).then(level_ul).otherwise(memory("sum_ul") + weight * off),
            "delivered_ul": pl.when(anew).then(0.0).otherwise(delivered),
            "settled_s": pl.when(anew).then(0.0).otherwise(memory("settled_s") + dt),
            "gap_ul": pl.when(anew).then(0.0).otherwise(gap),
        }

    return Detector(score, {"sum_ul": None, "delivered_ul": 0.0, "settled_s": 0.0, "gap_ul": 0.0}, learn)
