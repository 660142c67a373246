"""Refill volume mismatch: the volume filled in differs from the one entered in the programmer.

Origin: overfilling and wrong entries are among the risk factors in the over-infusion notices (2014, 2016); bench tests
    reject deviations of more than 20 %.
Signature: the reservoir's step at the recorded refill is smaller than the volume entered, and the computed volume stays
    above the measured one. Nothing shows before the next refill, with which the fault begins.
Severity: missing fraction of the volume entered, one half at 1.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.001
"""Modeling choice."""

WAITS_FOR: Final = "refill"
STAYS_UNTIL: Final = "refill"

MAX_MISSING_FRACTION: Final = 0.5


def physics(fleet: Fleet, severity: F32) -> None:
    """Fill in less than the volume entered."""
    fleet.refill_share *= 1 - MAX_MISSING_FRACTION * severity
