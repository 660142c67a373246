"""MRI stall: the scanner's field stops the motor, which restarts only hours after the scan.

Origin: reports of 2 to 24 hours until normal infusion resumed (manufacturer's MRI guidance); 9 stalls and 70 event log
    entries (MHRA, 2008).
Signature: motor flow, measured flow and motor current are 0 and the reservoir stops declining; in the field, which the
    pump reports, pressure and pulsatility are noisy, and no samples arrive from inside the bore; hours later everything
    is as before.
Severity: duration: a scan of an hour followed by 24 hours at 1, a short scan followed by two hours near 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.mri import stop_in_field
from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.4
PICTURE_HOURS: Final = (6.0, 24.0, 6.0)

SCAN_S: Final = 3600.0
RECOVERY_S: Final = (7200.0, 86_400.0)


def physics(fleet: Fleet, severity: F32) -> None:
    """Stop the motor in the field and during the recovery after it."""
    scan_s = SCAN_S * severity
    recovery_s = RECOVERY_S[0] + (RECOVERY_S[1] - RECOVERY_S[0]) * severity
    in_field = (severity > 0) & (fleet.age_s <= scan_s)
    stopped = (severity > 0) & (fleet.age_s <= scan_s + recovery_s)
    fleet.motor_drive *= np.where(stopped, np.float32(0), np.float32(1))
    stop_in_field(fleet, in_field)
