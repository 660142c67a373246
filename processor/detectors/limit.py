"""Limit detector: a signal against a fixed limit."""

from __future__ import annotations

import polars as pl

from processor.detectors import Detector


def limit(signal: str, *, below: float | None = None, above: float | None = None, span: float) -> Detector:
    """Score 1 at the limit, plus 1 for each `span` (the signal's unit) beyond it.

    Works if the limit is known from the device and the same for every pump; does not see trends. Unknown while the
    signal is unknown.
    """
    value = pl.col(signal)
    low = pl.lit(0.0) if below is None else 1.0 + (below - value) / span
    high = pl.lit(0.0) if above is None else 1.0 + (value - above) / span
    return Detector(score=lambda _: pl.when(value.is_not_null()).then(pl.max_horizontal(low, high, 0.0)))
