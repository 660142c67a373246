"""Flow sensor unit error: some flow readings are given per day instead of per hour.

Origin: mL/h for mL/day is a classic infusion error; modeling choice.
Signature: measured flow is 24 times too high, and everything else is normal: the ratio is constant, not the difference,
    and a single channel disagrees.
Severity: fraction of affected readings; at 1 all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32

HOURS_PER_DAY: Final = 24.0


def sensors(sample: Sample, severity: F32, rng: np.random.Generator) -> None:
    """Give the volume per day instead of per hour."""
    slipped = rng.random(len(severity)) < severity
    sample.flow_ul_h *= np.where(slipped, np.float32(HOURS_PER_DAY), np.float32(1))
