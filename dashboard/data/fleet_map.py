"""Fleet map: a cell per pump, or per group of neighbors in a large fleet, site by site."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.store.snapshot import Snapshot
from dashboard.data.fleet_index import abnormal, facts_index
from dashboard.data.memo import remembered

MAX_CELLS: Final = 4000
"""The map has one cell per pump up to this number, and cells of several pumps above it."""
MAX_NAMED: Final = 1000
NO_SITE: Final = "No site given"
_DIGITS: Final = np.array(list("0123456789abcdef"))


@dataclass(frozen=True)
class Layout:
    """Which cell each pump is in (by row), and the first pump of each cell; `sites` has name, pumps and first cell."""

    per: int
    cell: npt.NDArray[np.uint32]
    firsts: list[str]
    sites: pl.DataFrame
    key: str


@remembered
def layout(facts: pl.DataFrame) -> Layout:
    """Return the layout of the map, which changes only with the facts of the pumps."""
    per = max(1, -(-facts.height // MAX_CELLS))
    labels = facts_index(facts).labels("site")
    names = labels.names.fill_null("").replace("", NO_SITE)
    place = names.rank("dense").cast(pl.UInt32).gather(labels.codes).alias("site")
    placed = (
        pl.DataFrame([place, facts["pump"]])
        .with_row_index("row")
        .sort("site", "pump")
        .with_columns((pl.int_range(pl.len()).over("site") // per).alias("tile"))
        .with_columns((pl.struct("site", "tile").rle_id()).alias("cell"))
    )
    firsts = placed.unique("cell", keep="first", maintain_order=True)["pump"].to_list()
    sites = placed.group_by("site", maintain_order=True).agg(
        pl.len().alias("pumps"), pl.col("cell").first().alias("first")
    )
    cell = np.empty(facts.height, np.uint32)
    cell[placed["row"].to_numpy()] = placed["cell"].to_numpy()
    named = sites.with_columns(names.unique().sort().alias("name"))
    return Layout(per, cell, firsts, named, f"{zlib.crc32(chr(10).join(firsts).encode()):x}")


@remembered
def cells(snapshot: Snapshot) -> dict[str, Any]:
    """Return the fleet map: for each site its name, cells (one hexadecimal digit each), pumps and abnormal pumps.

    A digit is the priority (0 to 3), plus 4 if all is acknowledged, plus 8 if silent. Above `MAX_CELLS` pumps a
    cell represents `per` pumps and shows the worst of them. `marked` has pump and alarm title of each abnormal cell,
    `names` the first pump of each cell; `key` changes when the names do.
    """
    facts = snapshot.table.facts
    drawn, titles = layout(facts), dict(snapshot.alarms.unique("rule").select("rule", "title").iter_rows())
    found = abnormal(snapshot.table)
    priority = pl.col("priority").cast(pl.Int16)
    acknowledged = ((priority > 0) & (pl.col("unacknowledged") == 0)).cast(pl.Int16)
    every = found.select(
        "row",
        "worst",
        pl.Series("cell", drawn.cell[found["row"].to_numpy()], dtype=pl.UInt32),
        (priority + 4 * acknowledged + 8 * pl.col("silent").cast(pl.Int16)).alias("code"),
        pl.when(priority > 0).then(priority + 4 * acknowledged).otherwise(8).alias("rank"),
    )
    worst = every.sort("cell", "rank", maintain_order=True).unique("cell", keep="first", maintain_order=True)
    digits = np.full(len(drawn.firsts), "0")
    digits[worst["cell"].to_numpy()] = _DIGITS[worst["code"].to_numpy()]
    named = worst.head(MAX_NAMED).with_columns(facts["pump"].gather(worst["row"].head(MAX_NAMED)).alias("pump"))
    starts = drawn.sites["first"].to_numpy()
    ends = [*starts, len(drawn.firsts)][1:]
    counts = np.bincount(np.searchsorted(starts, every["cell"].to_numpy(), side="right") - 1, minlength=len(starts))
    sites = zip(drawn.sites["name"], starts, ends, drawn.sites["pumps"], counts, strict=True)
    return {
        "per": drawn.per,
        "sites": [[name, "".join(digits[start:end]), pumps, int(count)] for name, start, end, pumps, count in sites],
        "marked": {
            str(cell): [pump, titles.get(rule, "")]
            for cell, pump, rule in named.select("cell", "pump", "worst").iter_rows()
        },
        "names": drawn.firsts,
        "key": drawn.key,
    }
