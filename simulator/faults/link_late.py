"""Late samples: the patient's relay stores samples and forwards them when it is in range.

Origin: store and forward in any relay; modeling choice.
Signature: nothing for a while, then many samples at once, in order and complete, with their original timestamps.
Severity: time between two contacts, two hours at 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.02
"""Modeling choice."""

SILENT_FROM: Final = 0.15
MAX_PERIOD_MS: Final = 7_200_000
KNUTH: Final = 2_654_435_761
"""Multiplier of Knuth's hash, which spreads the contacts of pumps over time."""


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001
    """Delay each sample until its pump's next contact; pumps have theirs at different times."""
    period = np.maximum((MAX_PERIOD_MS * severity).astype(np.int64), 1)
    phase = (frame["index"].to_numpy().astype(np.int64) * KNUTH) % period
    wait_ms = -(frame["time"].to_numpy() + phase) % period
    return frame.with_columns(pl.Series("wait_s", wait_ms / 1000))
