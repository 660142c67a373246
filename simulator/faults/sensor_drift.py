"""Reservoir level sensor drift: the error of the reservoir's level sensor grows every hour.

Origin: no published case; a level sensor on the reservoir's pressure is known only from patents. Modeling choice.
Signature: the measured volume declines faster than flow and program imply, steadily, and everything else is normal: a
    single channel disagrees.
Severity: rate of the drift, 0.1 mL per hour at 1; at 0 mL the sensor has reached the end of its range.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.002
"""Modeling choice."""

MAX_DRIFT_ML_H: Final = 0.1


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Subtract the drift so far, down to 0."""
    drifted = MAX_DRIFT_ML_H * severity * np.asarray(sample.age_s, np.float32) / np.float32(3600)
    sample.reservoir_ml -= np.minimum(drifted, np.maximum(sample.reservoir_ml, 0))
