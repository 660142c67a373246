"""MRI stall: the scanner's field stops the motor, which starts again only hours after the scan.

Origin: reports of 2 to 24 hours until proper infusion returned (maker's MRI guidance); 9 stalls and 70 entries in the
    event log (MHRA, 2008).
Signature: motor flow, measured flow and motor current are 0 and the reservoir stops falling; in the field, which the
    pump reports, pressure and pulsatility are noisy, and from the bore itself there is no sample; hours later all is as
    before.
Severity: how long: at 1 a scan of an hour and a tail of 24 hours, toward 0 a moment and a tail of two.
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
TAIL_S: Final = (7200.0, 86_400.0)


def physics(fleet: Fleet, severity: F32) -> None:
    """Stop the motor in the field and for the tail after it."""
    scan_s = SCAN_S * severity
    tail_s = TAIL_S[0] + (TAIL_S[1] - TAIL_S[0]) * severity
    in_field = (severity > 0) & (fleet.age_s <= scan_s)
    standing = (severity > 0) & (fleet.age_s <= scan_s + tail_s)
    fleet.motor_drive *= np.where(standing, np.float32(0), np.float32(1))
    stop_in_field(fleet, in_field)
