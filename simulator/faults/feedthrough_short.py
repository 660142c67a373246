"""Feedthrough short: moisture shorts the leads between battery, electronics and motor.

Origin: 380 events in 181,400 implants, as a stall or a low-battery reset (manufacturer's notice, 2013).
Signature: motor current is erratic and battery voltage steps down; stalls and resets alternate, during which motor flow
    and measured flow stop and the reservoir stops declining; pulsatility is preserved.
Severity: fraction of ten-minute intervals with a stall or a reset, all of them at 1, and the current of the short, up
    to 15 mA.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0004
"""380 of 181,400 pumps over their life."""

INTERVAL_S: Final = 600.0
FLICKER_S: Final = 60.0
MAX_MA: Final = 15.0
STEP_V: Final = 0.3
"""Modeling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Let a current bypass the motor, and stall or reset the pump in some intervals."""
    fleet.short_ma += MAX_MA * severity * dice(fleet, FLICKER_S, salt=7)
    fleet.cell_drop_v += STEP_V * severity
    chance = dice(fleet, INTERVAL_S, salt=8)
    fleet.rotor_grip *= np.where(chance < severity / 2, np.float32(0), np.float32(1))
    reset = (chance >= severity / 2) & (chance < severity)
    fleet.safe_mode += np.where(reset, np.float32(1), np.float32(0))
