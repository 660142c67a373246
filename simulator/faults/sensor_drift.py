"""Drifting sensor: the reservoir's level sensor goes away from the truth, more every hour.

Origin: no published case; a level sensor on the reservoir's pressure is known from patents alone. Modelling choice.
Signature: the measured volume falls faster than flow and program say, evenly, and all else is normal: one channel alone
    disagrees.
Severity: the speed, 0.1 mL an hour at 1; at 0 mL the sensor has reached its end.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.002
"""Modeling choice."""

FASTEST_ML_H: Final = 0.1


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Take away what has come together so far."""
    drifted = FASTEST_ML_H * severity * np.asarray(sample.age_s, np.float32) / np.float32(3600)
    sample.reservoir_ml -= np.minimum(drifted, np.maximum(sample.reservoir_ml, 0))
