"""Intermittent catheter kink: the catheter is kinked in some postures and open in others.

Origin: a position-dependent occlusion over four years during which every interrogation was normal (case report, 2024).
Signature: in the bad posture pressure and motor current spike, pulsatility drops out and measured flow dips; in other
    postures everything is normal. The pattern repeats at the same times every day; motor flow stays as commanded.
Severity: logarithm of the resistance in the bad posture, as for an occlusion; the times do not depend on it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet, dice

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.0022
"""9 catheter events in 126 adults over 43 months, 1 of them a kink."""

DECADES: Final = 7.0
POSTURE_S: Final = 600.0
DAY_S: Final = 86_400.0
BAD_FRACTION: Final = 0.3
"""Duration of a posture, and fraction of the postures in which the catheter is kinked; modeling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Raise the resistance of the catheters of patients who are in a bad posture now."""
    posture = int(fleet.now_s % DAY_S // POSTURE_S)
    bad = dice(fleet, 0, salt=100 + posture) < BAD_FRACTION
    fleet.catheter_resistance *= np.where(bad, np.power(np.float32(10), DECADES * severity), np.float32(1))
