"""Tip mass: an inflammatory mass grows around the catheter's tip and closes it over weeks.

Origin: catheter granuloma, less common with baclofen than with opioids; the rate was not published.
Signature: over days pulsatility shrinks slowly, then pressure and motor current rise slowly and measured flow and the
    fall of the reservoir slacken; only the trend tells; motor flow stays as commanded.
Severity: the speed of growth; at 1 the resistance grows tenfold each day and the catheter is closed after a week, at
    0.2 after five weeks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import F32, Fleet

RATE_PER_PUMP_YEAR: Final = 0.0005
"""Modeling choice."""
PICTURE_SEVERITY: Final = 1.0
PICTURE_HOURS: Final = (24.0, 168.0, 24.0)

DECADES: Final = 7.0
DAYS: Final = 7.0
DAY_S: Final = 86_400.0
"""Faster than any real mass, which takes weeks to months; modelling choice."""


def physics(fleet: Fleet, severity: F32) -> None:
    """Raise the resistance by what has grown so far."""
    grown = np.minimum(severity * (np.asarray(fleet.age_s, np.float32) / np.float32(DAYS * DAY_S)), 1)
    fleet.catheter_resistance *= np.power(np.float32(10), DECADES * grown, dtype=np.float32)
