"""Intermittent stall: the motor stalls and comes free again, many times.

Origin: three stalls in three days at month 64 by a corroded gearbox, the alarm sounding now and then (Riordan and
    Murphy, case report).
Signature: bursts of no motor flow, no measured flow and high motor current, each reported by the pump; the reservoir
    falls in steps; pressure dips and pulsatility is kept.
Severity: the share of the time that is stalled, half of it at 1, in stretches of ten minutes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
RATE_GROWS_WITH_WEAR: Final = True

MOST: Final = 0.5
STRETCH_S: Final = 600.0
"""Modelling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Hold the rotor in some stretches."""
    held = dice(fleet, STRETCH_S, salt=5) < MOST * severity
    fleet.rotor_grip *= np.where(held, np.float32(0), np.float32(1))
