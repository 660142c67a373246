"""Running empty: a refill was missed, and the reservoir runs out.

Origin: low reservoir is among the usual causes of withdrawal (boxed warning of the baclofen label); some patients had
    withdrawal with more than 2 mL left (Neurosurgery, August 2004).
Signature: the measured volume falls to the residual volume and stays there, the computed low-reservoir flag is set,
    then measured flow falls to 0 and pressure falls to that of the CSF; motor flow stays as commanded, pulsatility is
    preserved. Weeks are compressed into hours: this loss of volume does not pass the flow sensor.
Severity: speed; at 1 the reservoir loses 20 mL in three hours. Lost volume is not restored.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

STAYS_UNTIL: Final = "refill"

MAX_DRAIN_UL_H: Final = 20_000.0 / 3
"""Modeling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Drain the reservoir as if weeks had passed."""
    fleet.reservoir_drain_ul_h += MAX_DRAIN_UL_H * severity
