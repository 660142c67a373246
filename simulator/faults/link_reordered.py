"""Reordered samples: some samples overtake others.

Origin: several paths to the broker, or a relay that retries; modeling choice.
Signature: a sample arrives after later ones of the same pump; none is lost.
Severity: probability that a sample is delayed, by up to five minutes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

SURVIVES_REPLACEMENT: Final = True
PICTURE_SEVERITY: Final = 0.5

MAX_DELAY_S: Final = 300.0


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:
    """Delay some samples."""
    delayed = rng.random(len(severity)) < severity
    wait_s = np.where(delayed, rng.random(len(severity)) * MAX_DELAY_S, 0.0)
    return frame.with_columns(pl.Series("wait_s", wait_s))
