"""Late samples: the patient's relay stores what the pump says and forwards it when it is in reach.

Origin: store and forward of any relay; modelling choice.
Signature: nothing for a while, then many samples at once, in order and complete, with the times at which they were
    taken.
Severity: the time between two contacts, two hours at 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.02
"""Modeling choice."""

SILENT_FROM: Final = 0.15
MAX_MS: Final = 7_200_000
KNUTH: Final = 2_654_435_761


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001
    """Let each sample wait for the next contact; pumps have theirs at different times."""
    period = np.maximum((MAX_MS * severity).astype(np.int64), 1)
    phase = (frame["index"].to_numpy().astype(np.int64) * KNUTH) % period
    wait_ms = -(frame["time"].to_numpy() + phase) % period
    return frame.with_columns(pl.Series("wait_s", wait_ms / 1000))
