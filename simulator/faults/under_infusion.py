"""Under-infusion: the pump's tube is worn and gives less with each turn.

Origin: tube wear; in a study of another pump 85 to 115 % of the programmed rate was the accepted window. How far it
    goes is a modelling choice.
Signature: measured flow lies below commanded flow and the reservoir falls more slowly, above the volume that the pump
    computes; motor flow stays as commanded and motor current is a little lower; pulsatility is kept.
Severity: the share of the flow that is missing, 60 % at 1.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.8

MAX_MISSING: Final = 0.6


def physics(fleet: Fleet, severity: F32) -> None:
    """Deliver less with each turn."""
    fleet.stroke *= 1 - MAX_MISSING * severity
