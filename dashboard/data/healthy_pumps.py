"""Random choice of healthy pumps: the same number of the draw gives the same pumps of the same fleet."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from broker.store.pump_table import PumpTable
from dashboard import formatting
from dashboard.data.fleet_index import abnormal, index_of

ANY = ""


@dataclass(frozen=True)
class Draw:
    """Pumps drawn (`pump`, `gateway`), and how many healthy ones there were to draw from."""

    pumps: pl.DataFrame
    healthy: int


def draw(
    table: PumpTable, count: int, number: int, *, model: str = ANY, site: str = ANY, faulty: Collection[str] = ()
) -> Draw:
    """Draw up to `count` pumps of a model and site that have no alarm, are not silent and are not among the `faulty`.

    `number` is the number of the draw: it seeds the choice, so the same number gives the same pumps.
    """
    facts = index_of(table).facts
    healthy = np.ones(table.height, bool)
    healthy[abnormal(table)["row"].to_numpy()] = False
    for name, wanted in (("model", model), ("site", site)):
        if wanted:
            labels = facts.labels(name)
            healthy &= (labels.names == wanted).fill_null(value=False).to_numpy()[labels.codes]
    if faulty:
        healthy &= ~facts.facts["pump"].is_in(list(faulty)).to_numpy()
    rows = np.flatnonzero(healthy)
    seed = zlib.crc32(f"{model}\n{site}\n{number}".encode())
    chosen = np.random.default_rng(seed).permutation(rows)[: max(0, count)]
    pumps = facts.facts["pump", "gateway"][np.sort(chosen)].cast(pl.String)
    return Draw(pumps, len(rows))


def describe(drawn: Draw, wanted: int) -> str:
    """Return what was drawn as a sentence."""
    found = drawn.pumps.height
    if not drawn.healthy:
        return "No healthy pump matches; choose another model or site."
    short = f" of {wanted:,} wanted" if found < wanted else ""
    return f"Drew {formatting.count(found, 'pump')}{short} from {formatting.count(drawn.healthy, 'healthy pump')}."


def names(table: PumpTable, label: str) -> list[str]:
    """Return the distinct names of a label of pumps, such as their models, in order."""
    return index_of(table).facts.labels(label).names.drop_nulls().to_list()
