"""Catheter occluded: the catheter is blocked by a kink, a clot or a mass at its tip.

Origin: the most common catheter failure, 5 of 9 events in a follow-up of 126 adults; recall of a sutureless connector
    that could be misaligned, 2013.
Signature: pulsatility is lost first; then pressure rises until the rotor slips, measured flow falls, motor current
    rises, and the reservoir stops declining; motor flow stays as commanded. When the catheter opens again, the drug
    stored in the tubing, up to 12 µL, is delivered at once.
Severity: logarithm of the resistance, from nominal at 0 to ten million times nominal at 1, which is a lumen of 2 % of
    its radius. About 0.12 halves the pulsatility, 0.6 begins to reduce flow, 0.9 stops most of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.0111
"""9 catheter events in 126 adults over 43 months, 5 of them occlusions."""

DECADES: Final = 7.0
"""Modeling choice: the resistance that stops even a pump of 2 µL/h."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Raise the resistance of the catheters by up to `DECADES` powers of ten."""
    fleet.catheter_resistance *= np.power(np.float32(10), DECADES * severity)
