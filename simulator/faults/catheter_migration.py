"""Catheter migration: the tip slips out of the spinal fluid into the epidural space.

Origin: a dislodged epidural tip in sheep: surrounding fluid still transmitted the pressure of the spinal fluid for a
    while, and a fluid collection raised it (Coffey 2010).
Signature: pressure shifts up or down, depending on the patient, and pulsatility is reduced but may persist; motor flow,
    measured flow, the decline of the reservoir and motor current stay normal. Ambiguous by nature.
Severity: distance of the tip from the spinal fluid; at 1 between 40 and 90 % of the pulsatility and of the drug are
    lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0

LOST_FRACTION: Final = (0.4, 0.9)
SHIFT_MMHG: Final = (-5.0, 5.0)
"""Ranges between patients; modeling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Reduce the coupling of the tip to the spinal fluid and shift its pressure."""
    lost = LOST_FRACTION[0] + (LOST_FRACTION[1] - LOST_FRACTION[0]) * dice(fleet, 0, salt=3)
    fleet.tip_coupling *= 1 - np.asarray(lost, np.float32) * severity
    fleet.tip_shift_mmhg += severity * (SHIFT_MMHG[0] + (SHIFT_MMHG[1] - SHIFT_MMHG[0]) * dice(fleet, 0, salt=4))
