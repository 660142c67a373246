"""Telemetry-mode trap: interference put the pump into telemetry mode, where it does not infuse until interrogated.

Origin: caution after MRI: infusion does not resume until a programmer interrogates the pump (TGA).
Signature: motor flow, measured flow and motor current are 0 and the reservoir stops falling, while pressure is that of
    the CSF, pulsatility is kept, the battery is normal and no stall is reported; the pump is online.
Severity: the share of its turns that the motor is not asked for; the trap itself, which the pump reports as its mode,
    is from 0.95 on.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from broker.contract.signals import FLAG_BIT
from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0

TRAPPED_ABOVE: Final = 0.95


def physics(fleet: Fleet, severity: F32) -> None:
    """Do not drive the motor."""
    fleet.motor_drive *= 1 - severity
    fleet.reports |= np.where(severity >= TRAPPED_ABOVE, np.uint8(FLAG_BIT["telemetry_mode"]), np.uint8(0))
