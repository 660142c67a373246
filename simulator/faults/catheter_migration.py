"""Catheter migration: the tip slips out of the spinal fluid into the space around it.

Origin: a dislodged epidural tip in sheep, to which fluid around the tip still coupled the pressure of the spinal fluid
    for a while, and a collection raised it (Coffey 2010).
Signature: pressure shifts, up or down with the patient, and pulsatility is reduced but may stay; motor flow, measured
    flow, the fall of the reservoir and motor current stay normal. Ambiguous by its nature.
Severity: how far the tip is out; at 1 between 40 and 90 % of the pulsatility and of the drug are lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0

LOST: Final = (0.4, 0.9)
SHIFT_MMHG: Final = (-5.0, 5.0)
"""Between patients; modelling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Take the tip out of the spinal fluid."""
    lost = LOST[0] + (LOST[1] - LOST[0]) * dice(fleet, 0, salt=3)
    fleet.tip_coupling *= 1 - np.asarray(lost, np.float32) * severity
    fleet.tip_shift_mmhg += severity * (SHIFT_MMHG[0] + (SHIFT_MMHG[1] - SHIFT_MMHG[0]) * dice(fleet, 0, salt=4))
