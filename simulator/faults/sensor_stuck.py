"""Flow sensor frozen: the flow sensor repeats its last reading instead of measuring.

Origin: no published case, as implanted pumps do not transmit a measured flow; modeling choice.
Signature: measured flow is frozen, without its noise, while commanded flow changes; everything else stays normal, so
    that a single channel disagrees.
Severity: probability that a reading repeats the last one; at 1 it never changes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

RATE_PER_PUMP_YEAR: Final = 0.002
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:
    """Repeat the last reading."""
    if sample.last is not None:
        stuck = rng.random(len(severity)) < severity
        sample.flow_ul_h[stuck] = sample.last.flow_ul_h[stuck]
