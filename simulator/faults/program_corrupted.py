"""Corrupted program: the pump's memory holds another dose than its programmer wrote, and the pump runs that.

Origin: a programming error stopped a pump unnoticed until organs failed (case report); that the memory of a pump
    fails by itself is a modelling choice.
Signature: commanded flow jumps to another level, motor flow, measured flow and reservoir follow it; the number of the
    program is another one, but the pump reports no new program from a programmer and no reset; all else is normal.
Severity: how far the dose is off: twice the dose at 1 in one half of the pumps, half of it in the other. A new program
    ends it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Take another rate for the program's."""
    times = 1 + severity
    fleet.dose_error *= np.where(dice(fleet, 0, salt=31) < 0.5, times, 1 / times)
