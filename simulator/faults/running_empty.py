"""Running empty: a refill was missed, and the reservoir comes to its end.

Origin: low reservoir is among the usual causes of withdrawal (baclofen label's boxed warning); some patients had
    withdrawal with more than 2 mL left (Neurosurgery, August 2004).
Signature: the measured volume falls to the residual volume and stays there, the computed low-reservoir flag comes, then
    measured flow falls to 0 and with it pressure to that of the CSF; motor flow stays as commanded, pulsatility is
    kept.
    So that it can be watched, weeks pass in hours: the volume lost so does not pass the flow sensor.
Severity: the speed; at 1 the reservoir loses 20 mL in three hours. What is lost stays so.
"""

from __future__ import annotations

from typing import Final

from simulator.fleet.state import F32, Fleet

STAYS_UNTIL: Final = "refill"

FASTEST_UL_H: Final = 20_000.0 / 3
"""Modelling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Let volume vanish as if weeks went by."""
    fleet.reservoir_drain_ul_h += FASTEST_UL_H * severity
