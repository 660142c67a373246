"""Capacity curve: how cores and memory of a system grow with its load, as the exponent of a power law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from trials.load.metrics import SYSTEM
from trials.load.result import StageResult

MIN_STAGES: Final = 3
MIN_SPAN: Final = 10.0
"""A curve needs stages whose loads differ by this factor; over less, noise decides the exponent."""


def exponents(stages: Sequence[StageResult]) -> dict[str, float]:
    """Return the exponent of cores and of memory over samples a second: 1 is proportional, below 1 grows slower.

    The slope of a line through the logarithms, of the parts of the system. Empty if there are fewer than
    `MIN_STAGES` stages that are not void, or if their loads differ by less than `MIN_SPAN`.
    """
    good = [stage for stage in stages if not stage.void and stage.offered_per_s > 0]
    loads = [stage.offered_per_s for stage in good]
    if len(good) < MIN_STAGES or max(loads) < MIN_SPAN * min(loads):
        return {}
    found = {}
    for name in ("cores", "memory_mb"):
        used = [system_use(stage, name) for stage in good]
        if all(value > 0 for value in used):
            slope = np.polyfit([math.log(load) for load in loads], [math.log(value) for value in used], 1)[0]
            found[name] = round(float(slope), 3)
    return found


def system_use(stage: StageResult, name: str) -> float:
    """Return what the parts of the system used of a resource (`cores`, `memory_mb`) in a stage."""
    return sum(row[name] for part, row in stage.resources.items() if part in SYSTEM)
