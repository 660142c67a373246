"""Catheter disconnection: the catheter slips off the pump, and the drug runs into the pocket under the skin.

Origin: the usual cause of withdrawal (baclofen label's boxed warning); recall of a connector's retainer ring, 2014.
Signature: pressure falls to that of the tissue and pulsatility is lost; motor flow, measured flow and the fall of the
    reservoir stay normal, so that the volumes balance while the patient gets nothing.
Severity: how far the joint gapes. The leak grows with the cube of the gap; at about 0.25 half of the pulsatility is
    gone, from 0.6 on nearly all of it.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0022
"""9 catheter events in 126 adults over 43 months, 1 of them a disconnection."""

OPEN_UL_H_MMHG: Final = 1e5
"""Leak of the open connector, some seventy times what the catheter lets through; modelling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Open a leak at the connector: flow through a gap goes with its cube."""
    fleet.leak_ul_h_mmhg += OPEN_UL_H_MMHG * severity**3
