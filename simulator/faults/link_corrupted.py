"""Corrupted samples: bits flip during transmission and produce readings that no sensor can give.

Origin: a transmission error that a checksum does not catch; modeling choice.
Signature: samples with implausible pressures, which are rejected with a reason, and gaps in their place.
Severity: probability that a sample is corrupted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

SURVIVES_REPLACEMENT: Final = True
PICTURE_SEVERITY: Final = 0.2

SILENT_FROM: Final = 0.9
FLIPPED_BIT_MMHG: Final = 16_384.0
"""A flipped high bit of an integer."""


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:
    """Flip a high bit of the pressure of some samples."""
    flipped = pl.Series(rng.random(len(severity)) < severity)
    wrong = pl.when(flipped).then(pl.col("pressure_mmhg") + FLIPPED_BIT_MMHG).otherwise(pl.col("pressure_mmhg"))
    return frame.with_columns(wrong.cast(pl.Float32).alias("pressure_mmhg"))
