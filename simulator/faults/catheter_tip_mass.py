"""Catheter tip mass: an inflammatory mass grows around the catheter's tip and blocks it over weeks.

Origin: catheter granuloma, less common with baclofen than with opioids; no rate was found.
Signature: over days pulsatility declines, then pressure and motor current rise, and measured flow and the decline of
    the reservoir slow down; motor flow stays as commanded. Only the trend shows it.
Severity: speed of growth; at 1 the resistance grows tenfold every day and the catheter is blocked after a week, at 0.2
    after five weeks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet

SURVIVES_REPLACEMENT: Final = True
RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0
PICTURE_HOURS: Final = (24.0, 168.0, 24.0)

DECADES: Final = 7.0
GROWTH_DAYS: Final = 7.0
DAY_S: Final = 86_400.0
"""Faster than a real mass, which grows over weeks to months; modeling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Raise the resistance by the growth so far."""
    grown = np.minimum(severity * (np.asarray(fleet.age_s, np.float32) / np.float32(GROWTH_DAYS * DAY_S)), 1)
    fleet.catheter_resistance *= np.power(np.float32(10), DECADES * grown, dtype=np.float32)
