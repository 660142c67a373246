"""Over-infusion: the pump delivers more than commanded and does not detect it.

Origin: Class I recall: more than 14.5 % above the programmed rate, about 1 pump in 700, from month 5 on, sometimes
    abruptly; 103 pumps and 2 deaths until July 2016.
Signature: measured flow is above commanded flow and the reservoir declines faster, below the volume that the pump
    computes, so that the computed low-reservoir flag is not set; motor flow and motor current do not change.
Severity: excess as a fraction of the commanded flow; the recall's 14.5 % is 0.145.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0002
"""0.14 % over the life of a pump."""
PICTURE_SEVERITY: Final = 0.3


def physics(fleet: Fleet, severity: F32) -> None:
    """Deliver more with each turn."""
    fleet.stroke *= 1 + severity
