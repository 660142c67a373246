"""Pump silent: its samples are lost in transmission, while the pump itself keeps working.

Origin: telemetry loss of any kind: the patient is out of range, the relay has no power, interference; modeling choice.
Signature: nothing but absence: no samples at severity 1, gaps in the sequence numbers below it.
Severity: probability that a sample is lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.02
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.7

SILENT_FROM: Final = 0.9


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:
    """Drop samples."""
    return frame.filter(rng.random(len(severity)) >= severity)
