"""Intermittent motor stall: the motor stalls and recovers, many times.

Origin: three stalls in three days at month 64 due to a corroded gearbox, with an intermittent alarm (Riordan and
    Murphy, case report).
Signature: bursts without motor flow and measured flow, with high motor current, each reported by the pump; the
    reservoir declines in steps; pressure dips and pulsatility is preserved.
Severity: fraction of the time during which the motor is stalled, one half at 1, in intervals of ten minutes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
RATE_GROWS_WITH_WEAR: Final = True

MAX_FRACTION: Final = 0.5
INTERVAL_S: Final = 600.0
"""Modeling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Stop the rotor in some intervals."""
    stalled = dice(fleet, INTERVAL_S, salt=5) < MAX_FRACTION * severity
    fleet.rotor_grip *= np.where(stalled, np.float32(0), np.float32(1))
