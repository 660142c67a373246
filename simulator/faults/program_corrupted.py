"""Corrupted program: the dose in the pump's memory differs from the one its programmer wrote, and the pump delivers it.

Origin: a programming error stopped a pump unnoticed until organ failure (case report); that the memory of a pump fails
    by itself is a modeling choice.
Signature: commanded flow jumps to another level, and motor flow, measured flow and reservoir follow it; the program
    number changes, but the pump reports neither a new program from a programmer nor a reset; everything else is normal.
Severity: error of the dose: at 1 twice the dose in one half of the pumps, half of it in the other. A new program ends
    the fault.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
ENDED_BY: Final = "new program"


def physics(fleet: Fleet, severity: F32) -> None:
    """Deliver another dose than programmed."""
    factor = 1 + severity
    fleet.dose_error *= np.where(dice(fleet, 0, salt=31) < 0.5, factor, 1 / factor)
