"""Catheter leak: a microfracture that opens and closes lets part of the drug into the tissue.

Origin: microfracture with alternating under- and overdose (Dawes 2003); 2 fractures among 9 catheter events in a
    follow-up of 126 adults.
Signature: pressure is low and variable, pulsatility is reduced and variable; motor flow, measured flow, the decline of
    the reservoir, motor current and battery stay normal.
Severity: width of the crack when it is open; the leak grows with its square. At 1 more drug leaves through the crack
    than through the catheter.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet, dice

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.0044
"""9 catheter events in 126 adults over 43 months, 2 of them fractures."""

MAX_LEAK_UL_H_MMHG: Final = 6000.0
POSTURE_S: Final = 1200.0
"""Leak of the open crack, about four times the conductance of the catheter, and duration of a posture, during which its
width is constant; modeling choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Open the crack by the width of the present posture."""
    fleet.leak_ul_h_mmhg += MAX_LEAK_UL_H_MMHG * severity**2 * dice(fleet, POSTURE_S, salt=2)
