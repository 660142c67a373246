"""Catheter disconnected: the catheter slips off the pump, and the drug runs into the pocket under the skin.

Origin: the usual cause of withdrawal (boxed warning of the baclofen label); recall of a connector's retainer ring,
    2014.
Signature: pressure falls to that of the tissue and pulsatility is lost; motor flow, measured flow and the decline of
    the reservoir stay normal, so that the volumes balance although the patient receives nothing.
Severity: width of the gap at the connector. The leak grows with the cube of the gap; at about 0.25 half of the
    pulsatility is lost, from 0.6 on nearly all of it.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.0022
"""9 catheter events in 126 adults over 43 months, 1 of them a disconnection."""

MAX_LEAK_UL_H_MMHG: Final = 1e5
"""Leak of the open connector, about seventy times the conductance of the catheter; modeling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Open a leak at the connector; the flow through a gap grows with its cube."""
    fleet.leak_ul_h_mmhg += MAX_LEAK_UL_H_MMHG * severity**3
