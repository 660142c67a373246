"""Wrong concentration: the drug filled in is stronger than what is entered in the programmer.

Origin: strengths of 500, 1000 and 2000 µg/mL stand side by side; mixing them up is a known error of refills. Its rate
    was not found.
Signature: none in flow, volume, pressure or current: all stay normal. The patient gets another dose a day or two after
    the refill, when the new drug has come through the catheter's dead space. Only the dose, flow times concentration,
    tells. It waits for the next refill.
Severity: the logarithm of the error, four times the strength at 1, twice at 0.5.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0
PICTURE_HOURS: Final = (12.0, 96.0, 12.0)

UNSEEN: Final = "no signal of the pump depends on the concentration of the drug; only the patient tells"
WAITS_FOR: Final = "refill"
STAYS_UNTIL: Final = "refill"

DOUBLINGS: Final = 2.0


def physics(fleet: Fleet, severity: F32) -> None:
    """Make what is filled in stronger than what is entered."""
    fleet.refill_strength *= np.power(np.float32(2), DOUBLINGS * severity)
