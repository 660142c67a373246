"""This file is which lot a pump was made in: what was made together may fail together."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulator.fleet.state import U8
from simulator.fleet.wear import COATED, REVISIONS, UNCOATED, UNCOATED_SHARE

MANY: Final = 20
"""Lots of an enrolled fleet, all of one size; modelling choice, so that a few hundred pumps have lots as well."""
UNCOATED_LOTS: Final = round(MANY * UNCOATED_SHARE)
LOTS: Final = (
    *(f"{REVISIONS[UNCOATED]}{number:02d}" for number in range(1, UNCOATED_LOTS + 1)),
    *(f"{REVISIONS[COATED]}{number:02d}" for number in range(1, MANY - UNCOATED_LOTS + 2)),
)
"""Names, by the hardware's revision; pumps that replace others are of the last one."""
LATEST: Final = len(LOTS) - 1
STREAM: Final = 17
"""The random stream among those of a new fleet (`simulator.fleet.enrollment`)."""


def drawn(count: int, seed: int) -> U8:
    """Return the place in `LOTS` of each pump of a new fleet: pump 7 is of the same lot in a fleet of any size."""
    stream = np.random.Generator(np.random.SFC64((seed, 0, STREAM)))
    return np.floor(MANY * stream.random(count)).astype(np.uint8)
