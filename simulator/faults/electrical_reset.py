"""Electrical reset: the pump's electronics restart and fall back to the minimum rate.

Origin: low-battery resets and shorts in the manufacturer's notices (2009, 2013); the frequency is a modeling choice.
Signature: motor flow drops to the minimum rate, measured flow is low and the reservoir hardly declines; motor current
    is low, battery and pulsatility are normal; the pump reports the reset, its boot count rises, its clock steps back
    by half a minute until a programmer sets it, and its program changes.
Severity: fraction of ten-minute intervals during which the pump runs at the minimum rate; at 1 all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""

INTERVAL_S: Final = 600.0


def physics(fleet: Fleet, severity: F32) -> None:
    """Fall back to the minimum rate in some intervals."""
    reset = dice(fleet, INTERVAL_S, salt=6) < severity
    fleet.safe_mode += np.where(reset, np.float32(1), np.float32(0))
