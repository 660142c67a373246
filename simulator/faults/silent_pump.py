"""Silent pump: its samples are lost on the way, while the pump itself works on.

Origin: telemetry loss of any kind: the patient out of reach, a flat relay, interference; modelling choice.
Signature: nothing but absence: no sample at severity 1, gaps in the count of samples below it.
Severity: the probability that a sample is lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.02
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.7

SILENT_FROM: Final = 0.9


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:
    """Lose samples."""
    return frame.filter(rng.random(len(severity)) >= severity)
