"""Feedthrough short: moisture shorts the leads between battery, electronics and motor.

Origin: 380 events in 181,400 implants, as a stall or a low-battery reset (maker's notice, 2013).
Signature: motor current is erratic and the battery's voltage steps down; stalls and resets come mixed, in which motor
    flow and measured flow end and the reservoir stops falling; pulsatility is kept.
Severity: the share of the ten-minute stretches that are a stall or a reset, all of them at 1, and the current that the
    short takes, up to 15 mA.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0004
"""380 of 181,400 pumps over their life."""

STRETCH_S: Final = 600.0
FLICKER_S: Final = 60.0
MAX_MA: Final = 15.0
STEP_V: Final = 0.3
"""Modelling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Let a current flow beside the motor, and hold or reset the pump in some stretches."""
    fleet.short_ma += MAX_MA * severity * dice(fleet, FLICKER_S, salt=7)
    fleet.cell_drop_v += STEP_V * severity
    chance = dice(fleet, STRETCH_S, salt=8)
    fleet.rotor_grip *= np.where(chance < severity / 2, np.float32(0), np.float32(1))
    reset = (chance >= severity / 2) & (chance < severity)
    fleet.safe_mode += np.where(reset, np.float32(1), np.float32(0))
