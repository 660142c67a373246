"""Fleet of pumps in lots, models and gateways, for the tests of cohorts."""

from __future__ import annotations

import numpy as np
import polars as pl

from processor.alarms.subjects import Subjects

START_MS = 1_767_225_600_000
PUMPS, LOTS = 400, 20


def subjects(now: int = START_MS, pumps: int = PUMPS, gateways: int = 4) -> Subjects:
    """Return pumps in lots of twenty, of which the first five lots are model A; pumps of a gateway are neighbors."""
    number = pl.int_range(pumps, eager=True)
    lot = number % LOTS
    facts = pl.DataFrame(
        {"model": (lot < 5).replace_strict({True: "A", False: "B"}), "lot": pl.select(pl.format("L{}", lot))}
    )
    return Subjects(
        pl.select(pl.format("P-{}", number)).to_series(),
        (number * gateways // pumps).cast(pl.UInt32),
        pl.Series([f"ward-{n}" for n in range(gateways)]),
        pl.Series([now] * gateways, dtype=pl.Int64),
        facts=facts,
    )


def healthy(pumps: int = PUMPS) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 1.6, pumps)
