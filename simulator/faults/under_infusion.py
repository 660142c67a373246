"""Under-infusion: the pump's tube is worn and delivers less with each turn.

Origin: tube wear; a study of another pump accepted 85 to 115 % of the programmed rate. The extent is a modeling choice.
Signature: measured flow is below commanded flow and the reservoir declines more slowly, above the volume that the pump
    computes; motor flow stays as commanded and motor current is slightly lower; pulsatility is preserved.
Severity: missing fraction of the flow, 60 % at 1.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.001
"""Modeling choice."""
PICTURE_SEVERITY: Final = 0.8

MAX_MISSING_FRACTION: Final = 0.6


def physics(fleet: Fleet, severity: F32) -> None:
    """Deliver less with each turn."""
    fleet.stroke *= 1 - MAX_MISSING_FRACTION * severity
