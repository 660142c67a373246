"""Wear of the motor: it grows with the turns, and raises the failure rate of motors with uncoated shafts."""

from __future__ import annotations

from typing import Final

import numpy as np

from broker.contract.datasheet import LIFE_ML
from simulator.fleet.state import F64, Fleet

UNCOATED: Final = 0
COATED: Final = 1
REVISIONS: Final = ("A", "B")
"""Hardware revisions: with the original shaft, and with the coated one (2017)."""
UNCOATED_SHARE: Final = 0.2
"""Share of uncoated shafts in an enrolled fleet; modelling choice, so that both occur. Nearly all real ones have been
replaced by now."""
SHAFT_SHARE: Final = 0.59
"""Share of returned stalled pumps that had a worn shaft; the coating was projected to prevent more than 99 % of these
(maker's product page)."""
COATED_LEFT: Final = 0.01
STEEPNESS: Final = 2.0
"""Failure rate of a shaft at wear 1, as a multiple of the published mean; a new one does not fail. Modelling choice."""
MAX_HAZARD: Final = 2.5
"""Highest failure rate of any motor, as a multiple of the published rate."""


def wear(fleet: Fleet) -> F64:
    """Return the wear of each motor, 0 when new."""
    return np.asarray(fleet.turned_ml / LIFE_ML)


def hazard(fleet: Fleet) -> F64:
    """Return the failure rate of each motor, as a multiple of the rate published for uncoated shafts."""
    shaft = np.where(fleet.revision == COATED, COATED_LEFT, STEEPNESS * wear(fleet))
    return np.asarray(np.minimum(1 - SHAFT_SHARE + SHAFT_SHARE * shaft, MAX_HAZARD))
