"""Flow sensor noisy: the flow sensor's readings scatter.

Origin: no published case, as implanted pumps do not transmit a measured flow; modeling choice.
Signature: measured flow scatters widely around its usual mean, and everything else is normal: a single channel
    disagrees.
Severity: standard deviation, 5 µL/h at 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.002
"""Modeling choice."""

MAX_SD_UL_H: Final = 5.0
MIN_READING_UL_H: Final = -20.0


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:
    """Add noise to the readings, within the sensor's range."""
    sample.flow_ul_h += MAX_SD_UL_H * severity * rng.standard_normal(len(severity), dtype=np.float32)
    np.maximum(sample.flow_ul_h, np.float32(MIN_READING_UL_H), out=sample.flow_ul_h)
