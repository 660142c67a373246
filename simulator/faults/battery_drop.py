"""Battery voltage drop: a cell of the battery fails, and its voltage falls abruptly.

Origin: low-battery resets in the battery notices (2009, 2011, 2017); the size of the drop is a modeling choice.
Signature: battery voltage falls from one sample to the next and stays low, without a preceding trend; a large drop
    makes the pump indicate replacement (ERI), a larger one resets it, and motor flow falls to the minimum rate.
Severity: voltage drop, 0.9 V at 1; above 0.4 the pump indicates replacement, above 0.8 it resets.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.7

MAX_V: Final = 0.9
RESET_ABOVE: Final = 0.8


def physics(fleet: Fleet, severity: F32) -> None:
    """Lower the battery's voltage by that of the failing cell, and reset the pump if it is too low."""
    fleet.cell_drop_v += MAX_V * severity
    fleet.safe_mode += np.where(severity > RESET_ABOVE, np.float32(1), np.float32(0))
