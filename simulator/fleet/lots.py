"""Production lots of the simulated pumps: pumps made together may fail together."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import U8
from simulator.fleet.wear import COATED, REVISIONS, UNCOATED, UNCOATED_SHARE

LOT_COUNT: Final = 20
"""Lots in an enrolled fleet, all of equal size; modelling choice, so that a few hundred pumps fill every lot."""
UNCOATED_LOTS: Final = round(LOT_COUNT * UNCOATED_SHARE)
LOTS: Final = (
    *(f"{REVISIONS[UNCOATED]}{number:02d}" for number in range(1, UNCOATED_LOTS + 1)),
    *(f"{REVISIONS[COATED]}{number:02d}" for number in range(1, LOT_COUNT - UNCOATED_LOTS + 2)),
)
"""Names of lots, which begin with the hardware revision; replacement pumps are from the last one."""
LATEST: Final = len(LOTS) - 1
STREAM: Final = 17
"""Random stream of the lots, among those of a new fleet (`simulator.fleet.enrollment`)."""


def drawn(count: int, seed: int) -> U8:
    """Return the index into `LOTS` of each pump of a new fleet: pump 7 is from the same lot in a fleet of any size."""
    stream = np.random.Generator(np.random.SFC64((seed, 0, STREAM)))
    return np.floor(LOT_COUNT * stream.random(count)).astype(np.uint8)
