"""Flow sensor inaccurate: the flow sensor reads too high by a constant amount.

Origin: no published case, as implanted pumps do not transmit a measured flow; modeling choice.
Signature: measured flow is above commanded flow by a constant amount, and everything else is normal: the reservoir
    declines as programmed, so that a single channel disagrees.
Severity: size of the offset, 5 µL/h at 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.002
"""Modeling choice."""

MAX_OFFSET_UL_H: Final = 5.0


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:  # noqa: ARG001
    """Add the offset."""
    sample.flow_ul_h += MAX_OFFSET_UL_H * severity
