"""Pocket fill: at the refill the needle misses the port, and the drug goes into the pocket under the skin.

Origin: Class I recall, 2011: 1 in 10,000 refills; 8 deaths and 270 injuries from 1996 to 2010.
Signature: the pump records a refill, but its reservoir does not rise; the computed volume stays far above the measured
    one. Nothing shows before the next refill, with which the fault begins.
Severity: fraction of the refill that misses the reservoir.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0003
"""1 in 10,000 refills."""

WAITS_FOR: Final = "refill"
STAYS_UNTIL: Final = "refill"


def physics(fleet: Fleet, severity: F32) -> None:
    """Let part of a refill miss the reservoir."""
    fleet.refill_share *= 1 - severity
