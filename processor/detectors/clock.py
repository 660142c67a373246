"""Clock detector: samples whose times cannot be, and clocks that were set back."""

from __future__ import annotations

import polars as pl

from processor.detectors import Detector


def clock_faults() -> Detector:
    """Score the implausible times and new clock epochs (`processor.engine.epochs`) of a pump in one window.

    Works for all pumps. A clock that is wrong by less than a day from the first sample on cannot be detected.
    """
    return Detector(
        score=lambda _: pl.col("clock_faults") + pl.col("count") * 0.0,
        memory={"faults": 0.0},
        learn=lambda _: {"faults": pl.col("clock_faults")},
    )
