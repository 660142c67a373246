"""Battery drop: a cell of the battery fails, and its voltage falls at once.

Origin: Low Battery Reset of the battery notices (2009, 2011, 2017); the size of the drop is a modelling choice.
Signature: the battery's voltage is lower from one sample to the next and stays there, with no trend before; a large
    drop makes the pump ask for replacement (ERI), a larger one resets it, and motor flow falls to the minimum rate.
Severity: the drop, 0.9 V at 1; above 0.4 it asks for replacement, above 0.8 it resets.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.7

MAX_V: Final = 0.9
RESETS_ABOVE: Final = 0.8


def physics(fleet: Fleet, severity: F32) -> None:
    """Take the cell's voltage away."""
    fleet.cell_drop_v += MAX_V * severity
    fleet.safe_mode += np.where(severity > RESETS_ABOVE, np.float32(1), np.float32(0))
