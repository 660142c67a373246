"""Stuck sensor: the flow sensor repeats its last reading instead of measuring.

Origin: no published case, as implanted pumps do not stream a measured flow; modelling choice.
Signature: measured flow is frozen, without its noise, while commanded flow changes; all else stays normal, so that one
    channel alone disagrees.
Severity: the probability that a reading is the last one again; at 1 it never changes.
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
    """Say again what was said the time before."""
    if sample.last is not None:
        stuck = rng.random(len(severity)) < severity
        sample.flow_ul_h[stuck] = sample.last.flow_ul_h[stuck]
