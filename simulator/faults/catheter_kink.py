"""Positional kink: the catheter is folded shut in some postures and open in others.

Origin: a position-dependent occlusion over four years in which every interrogation was normal (case report, 2024).
Signature: while the patient lies on it, pressure spikes, pulsatility blinks, motor current spikes and measured flow
    dips; in between all is normal, and every day it comes at the same times; motor flow stays as commanded.
Severity: the logarithm of the resistance in the bad posture, as for an occlusion; the times do not depend on it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0022
"""9 catheter events in 126 adults over 43 months, 1 of them a kink."""

DECADES: Final = 7.0
TURN_S: Final = 600.0
DAY_S: Final = 86_400.0
BAD_SHARE: Final = 0.3
"""How long a patient keeps a posture, and how many of a day's are bad; modelling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Close the catheters of those who lie badly now."""
    of_day = int(fleet.now_s % DAY_S // TURN_S)
    bad = dice(fleet, 0, salt=100 + of_day) < BAD_SHARE
    fleet.catheter_resistance *= np.where(bad, np.power(np.float32(10), DECADES * severity), np.float32(1))
