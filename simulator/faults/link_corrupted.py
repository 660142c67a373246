"""Corrupted samples: bits flip on the way, and readings come out that no sensor can have said.

Origin: a transmission error that slips through a checksum; modelling choice.
Signature: samples with pressures far outside what is possible, which are refused with their reason, and a gap where
    they should be.
Severity: the probability that a sample is corrupted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

PICTURE_SEVERITY: Final = 0.2

SILENT_FROM: Final = 0.9
FLIPPED_MMHG: Final = 16_384.0
"""A flipped high bit of a whole number."""


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:
    """Flip a high bit of the pressure of some samples."""
    flipped = pl.Series(rng.random(len(severity)) < severity)
    wrong = pl.when(flipped).then(pl.col("pressure_mmhg") + FLIPPED_MMHG).otherwise(pl.col("pressure_mmhg"))
    return frame.with_columns(wrong.cast(pl.Float32).alias("pressure_mmhg"))
