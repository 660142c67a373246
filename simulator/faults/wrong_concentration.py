"""Wrong concentration: the drug in the reservoir is stronger than the concentration entered in the programmer.

Origin: concentrations of 500, 1000 and 2000 µg/mL are stored side by side; mixing them up is a known refill error. No
    rate was found.
Signature: none in flow, volume, pressure or current, which all stay normal. The patient receives another dose a day or
    two after the refill, when the new drug has passed the catheter's dead space. Only the dose, flow times
    concentration, differs. Begins with the next refill.
Severity: logarithm of the error: four times the concentration at 1, twice at 0.5.
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
    """Make the drug stronger than the concentration entered."""
    fleet.refill_strength *= np.power(np.float32(2), DOUBLINGS * severity)
