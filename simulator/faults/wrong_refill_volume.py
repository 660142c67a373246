"""Wrong refill volume: another volume is filled in than is entered in the programmer.

Origin: overfilling and wrong entries among the risk factors of the over-infusion notices (2014, 2016); on the bench
    more than 20 % off is rejected.
Signature: the reservoir's step at the recorded refill is smaller than the volume entered, and the volume that the pump
    computes stays above the one that is measured. It waits for the next refill, and shows nothing before.
Severity: what is missing of the volume entered, half of it at 1.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.001
"""Modeling choice."""

WAITS_FOR: Final = "refill"
STAYS_UNTIL: Final = "refill"

MAX_MISSING: Final = 0.5


def physics(fleet: Fleet, severity: F32) -> None:
    """Fill in less than is entered."""
    fleet.refill_share *= 1 - MAX_MISSING * severity
