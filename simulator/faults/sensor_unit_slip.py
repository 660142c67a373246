"""Unit slip: the flow of some readings is given per day instead of per hour.

Origin: mL/h for mL/day is a classic slip of infusion; modelling choice.
Signature: measured flow is 24 times too high, and all else is normal: the ratio, not the difference, is constant, and
    one channel alone disagrees.
Severity: the share of the readings in which it happens; at 1 all.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

HOURS: Final = 24.0


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:
    """Say the volume of a day where that of an hour is meant."""
    slipped = rng.random(len(severity)) < severity
    sample.flow_ul_h *= np.where(slipped, np.float32(HOURS), np.float32(1))
