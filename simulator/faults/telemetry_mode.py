"""Telemetry-mode trap: interference put the pump into telemetry mode, in which it does not infuse until it is
interrogated.

Origin: caution after MRI: infusion does not resume until a programmer interrogates the pump (TGA).
Signature: motor flow, measured flow and motor current are 0 and the reservoir stops declining, while pressure is that
    of the CSF, pulsatility is preserved, the battery is normal and no stall is reported; the pump is online.
Severity: fraction of the rotation that is not commanded; from 0.95 on the pump is trapped and reports telemetry mode.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from broker.contract.signals import FLAG_BIT
from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0
ENDED_BY: Final = "interrogation"

TRAPPED_FROM: Final = 0.95


def physics(fleet: Fleet, severity: F32) -> None:
    """Reduce the drive of the motor, and report telemetry mode."""
    fleet.motor_drive *= 1 - severity
    fleet.reports |= np.where(severity >= TRAPPED_FROM, np.uint8(FLAG_BIT["telemetry_mode"]), np.uint8(0))
