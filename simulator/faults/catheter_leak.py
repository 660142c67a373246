"""Catheter leak: a microfracture that opens and closes lets part of the drug into the tissue.

Origin: microfracture with alternating under- and overdose (Dawes 2003); 2 fractures among 9 catheter events in a
    follow-up of 126 adults.
Signature: pressure is low and variable, pulsatility reduced and variable; motor flow, measured flow, the fall of the
    reservoir, motor current and battery stay normal.
Severity: how far the crack opens at its widest; the leak grows with its square. At 1 it lets more through than the
    catheter does.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet, dice

RATE_PER_PUMP_YEAR: Final = 0.0044
"""9 catheter events in 126 adults over 43 months, 2 of them fractures."""

OPEN_UL_H_MMHG: Final = 6000.0
TURN_S: Final = 1200.0
"""Leak of the widest crack, some four times what the catheter lets through, and how long it keeps its width; modelling
choices."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Open the crack as wide as it is in this posture."""
    fleet.leak_ul_h_mmhg += OPEN_UL_H_MMHG * severity**2 * dice(fleet, TURN_S, salt=2)
