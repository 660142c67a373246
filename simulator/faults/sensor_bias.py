"""Biased sensor: the flow sensor says a constant amount too much.

Origin: no published case, as implanted pumps do not stream a measured flow; modelling choice.
Signature: measured flow lies above commanded flow by a constant amount, and all else is normal: the reservoir falls as
    the program says, so that one channel alone disagrees.
Severity: the amount, 5 µL/h at 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.002
"""Modeling choice."""

MAX_UL_H: Final = 5.0


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Add the amount."""
    sample.flow_ul_h += MAX_UL_H * severity
