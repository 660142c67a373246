"""Silence detector: the time since a pump's last sample against its usual reporting interval."""

from __future__ import annotations

import polars as pl

from broker.contract.signals import FLAG_BIT
from processor.detectors import Detector, Memory, at_least, forgetting, toward

USUAL_OVER_S = 3600.0


def allowed_s(memory: Memory, *, floor_s: float, intervals: float, in_field_s: float) -> pl.Expr:
    """Return how long (s) a pump may be silent before it is in alarm; see `silence`."""
    in_field = (pl.col("flags").fill_null(0) & FLAG_BIT["mri"]) != 0
    floor = pl.when(in_field).then(in_field_s).otherwise(floor_s).cast(pl.Float32)
    return pl.max_horizontal(intervals * memory("usual_s").fill_null(0.0), floor)


def silence(*, floor_s: float, intervals: float, in_field_s: float) -> Detector:
    """Score the time since the last sample against `intervals` times the pump's usual interval, at least `floor_s`.

    The usual interval is learned from each pump's own samples, so that a pump that reports hourly is not silent after
    ten minutes. Of two windows in a row the shorter interval counts, so that an outage or a clock set forward does not
    raise it, and at most `intervals` times the usual one. A pump whose last
    sample reported a magnetic field cannot be received from inside a scanner: at least `in_field_s`.
    """

    def score(memory: Memory) -> pl.Expr:
        allowed = allowed_s(memory, floor_s=floor_s, intervals=intervals, in_field_s=in_field_s)
        return pl.col("age") / allowed

    def learn(memory: Memory) -> dict[str, pl.Expr]:
        interval = pl.col("dt") / at_least(pl.col("count"), 1.0)
        capped = pl.min_horizontal(interval, memory("last_s"), intervals * memory("usual_s"))
        return {"usual_s": toward(memory("usual_s"), capped, forgetting(USUAL_OVER_S)), "last_s": interval}

    return Detector(score, {"usual_s": None, "last_s": None}, learn, judges="age")
