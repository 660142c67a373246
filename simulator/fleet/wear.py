"""This file says how a pump's motor wears: with its turns, and how far wear makes it fail."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F64, Fleet

LIFE_ML: Final = 640.0
"""What a motor turns through in 7 years at 0.25 mL/day; wear is the share of that, and may go beyond 1."""
WORN_MA: Final = 0.2
"""What wear 1 adds to the current of the running motor; modelling choice."""
UNCOATED: Final = 0
COATED: Final = 1
REVISIONS: Final = ("A", "B")
"""Hardware with the shaft as it was, and with the coated one (2017)."""
UNCOATED_SHARE: Final = 0.2
"""Of an enrolled fleet. In life nearly all have been replaced by now; modelling choice, so that both can be seen."""
SHAFT_SHARE: Final = 0.59
"""Share of the returned stalled pumps whose shaft was worn; the coating was projected to end more than 99 % of that
(maker's product page)."""
COATED_LEFT: Final = 0.01
STEEPNESS: Final = 2.0
"""A shaft fails at no rate when new and at twice the published mean at wear 1; modelling choice."""
MAX_HAZARD: Final = 2.5
"""No motor fails more often than this multiple of the published rate."""


def wear(fleet: Fleet) -> F64:
    """Return how worn each motor is, 0 when new."""
    return np.asarray(fleet.turned_ml / LIFE_ML)


def hazard(fleet: Fleet) -> F64:
    """Return how often each motor fails by itself, as a multiple of the rate published for uncoated shafts."""
    shaft = np.where(fleet.revision == COATED, COATED_LEFT, STEEPNESS * wear(fleet))
    return np.asarray(np.minimum(1 - SHAFT_SHARE + SHAFT_SHARE * shaft, MAX_HAZARD))
