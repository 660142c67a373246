"""Over-infusion: the pump delivers more than it is told, and does not know.

Origin: Class I recall: more than 14.5 % above the programmed rate, about 1 pump in 700, from month 5 on, sometimes
    abrupt; 103 pumps and 2 deaths until July 2016.
Signature: measured flow lies above commanded flow and the reservoir falls faster, below the volume that the pump
    computes, so that its computed low-reservoir flag stays silent; motor flow and current stay as they were.
Severity: the surplus as a share of the commanded flow; the recall's 14.5 % is 0.145.
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
