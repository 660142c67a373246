"""Electrical reset: the pump's electronics start anew and fall back to the minimum rate.

Origin: low-battery resets and shorts of the maker's notices (2009, 2013); how often it comes is a modelling choice.
Signature: motor flow drops to the minimum rate, measured flow is low and the reservoir nearly stops falling; motor
    current is low, battery and pulsatility are normal; the pump reports the reset, its count of boots rises, its
    clock steps back by half a minute until a programmer sets it, and its program is another one.
Severity: the share of the ten-minute stretches in which the pump is at its minimum rate; at 1 it stays there.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""

STRETCH_S: Final = 600.0


def physics(fleet: Fleet, severity: F32) -> None:
    """Fall back to the minimum rate in some stretches."""
    reset = dice(fleet, STRETCH_S, salt=6) < severity
    fleet.safe_mode += np.where(reset, np.float32(1), np.float32(0))
