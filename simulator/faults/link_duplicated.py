"""Duplicate samples: some samples arrive twice.

Origin: at-least-once delivery (MQTT QoS 1) resends messages that were not acknowledged in time.
Signature: the same sample again, with the same sequence number and readings.
Severity: probability that a sample arrives twice.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from simulator.fleet.state import F32

SURVIVES_REPLACEMENT: Final = True
PICTURE_SEVERITY: Final = 0.5


def link(frame: pl.DataFrame, severity: F32, rng: np.random.Generator) -> pl.DataFrame:
    """Send some samples twice."""
    copies = 1 + (rng.random(len(severity)) < severity)
    return frame[np.repeat(np.arange(frame.height), copies)]
