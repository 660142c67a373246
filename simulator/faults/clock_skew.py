"""Pump clock ahead: the pump's clock runs ahead.

Origin: clocks of small devices drift and are set by hand; modeling choice.
Signature: the timestamps of all samples are ahead of those of other pumps by a constant amount, and every reading is
    normal. When the clock is corrected, timestamps repeat for a while.
Severity: clock error, one hour at 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

SURVIVES_REPLACEMENT: Final = True
MAX_MS: Final = 3_600_000


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001
    """Set the timestamps ahead."""
    ahead = pl.Series((MAX_MS * severity.astype(np.float64)).round().astype(np.int64))
    return frame.with_columns(pl.col("time") + ahead)
