"""Fleet map: a cell per pump, per part of a large group, or per group: site, gateway, model, lot or patient group."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.store.snapshot import Snapshot
from dashboard.data import names
from dashboard.data.fleet_index import abnormal, facts_index
from dashboard.data.memo import remembered

GROUPINGS: Final = {"site": "site", "gateway": "gateway", "model": "model", "lot": "lot", "group": "patient group"}
"""Facts by which the map is divided, and what people call them."""
MAX_CELLS: Final = 1200
"""Cells of a map: as many have room for a shape on a screen. A cell stands for several pumps if there are more."""
MAX_GROUPS: Final = 24
"""With more groups than this, each is one cell, until a person opens one."""
MAX_NAMED: Final = 1000
MAX_VIEWS: Final = 6
"""Maps kept for viewers who look at different ones."""
_DIGITS: Final = np.array(list("0123456789abcdefghijklmnopqrstuv"))
ACKNOWLEDGED: Final = 4
RETURNED: Final = 8
SILENT: Final = 16


@dataclass(frozen=True)
class View:
    """What a person looks at: how the fleet is divided, the group that is open ("": all), and the part of it."""

    by: str = "site"
    group: str = ""
    part: int | None = None


@dataclass(frozen=True)
class Layout:
    """Rows of the table of pumps that the map shows, and the cell of each; the first pump of each cell.

    `kind` is what a cell stands for: "pump", "part" of a group, or "group"; `per` how many pumps a part has. `groups`
    has name, pumps and first cell of each block.
    """

    kind: str
    per: int
    rows: npt.NDArray[np.uint32]
    cell: npt.NDArray[np.uint32]
    firsts: list[str]
    groups: pl.DataFrame
    key: str


class _Kept:
    """The latest results of a function, for the same object, by what a person looks at."""

    def __init__(self) -> None:
        self._lock, self._of, self._known = threading.Lock(), None, dict[View, Any]()

    def get(self, of: Any, view: View, make: Callable[[], Any]) -> Any:
        with self._lock:
            if self._of is not of:
                self._of, self._known = of, {}
            if view not in self._known:
                while len(self._known) >= MAX_VIEWS:
                    del self._known[next(iter(self._known))]
                self._known[view] = make()
            return self._known[view]


_LAYOUTS: Final = _Kept()
_CELLS: Final = _Kept()


def layout(facts: pl.DataFrame, view: View = View()) -> Layout:
    """Return the layout of the map, which changes only with the facts of the pumps."""
    found: Layout = _LAYOUTS.get(facts, view, lambda: _layout(facts, view))
    return found


def _layout(facts: pl.DataFrame, view: View) -> Layout:
    index = facts_index(facts)
    labels = index.labels(view.by)
    shown = labels.names.fill_null("").replace("", f"no {GROUPINGS[view.by]} given").alias("name")
    place = shown.rank("dense").cast(pl.UInt32).gather(labels.codes).alias("group")
    placed = pl.DataFrame([place, index.natural.alias("natural")]).with_row_index("row")
    if view.group:
        wanted = shown.to_frame().select(pl.col("name").rank("dense").filter(pl.col("name") == view.group)).to_series()
        placed = placed.filter(pl.col("group").is_in(wanted.cast(pl.UInt32).implode()))
    placed = placed.sort("group", "natural")
    per = max(1, -(-placed.height // MAX_CELLS))
    if view.group and view.part is not None:
        placed, per = placed.slice(view.part * per, per), 1
    many = placed["group"].n_unique()
    kind = "group" if many > MAX_GROUPS else "part" if per > 1 else "pump"
    tile = pl.lit(0, pl.Int64) if kind == "group" else pl.int_range(pl.len()).over("group") // per
    placed = placed.with_columns(tile.alias("tile")).with_columns(pl.struct("group", "tile").rle_id().alias("cell"))
    groups = placed.group_by("group", maintain_order=True).agg(
        pl.len().alias("pumps"), pl.col("cell").first().alias("first")
    )
    by_rank = pl.DataFrame({"group": shown.rank("dense").cast(pl.UInt32), "name": shown}).unique("group")
    groups = groups.join(by_rank, on="group", how="left", maintain_order="left")
    firsts = facts["pump"].gather(placed.unique("cell", keep="first", maintain_order=True)["row"]).to_list()
    if kind == "group":
        firsts = groups["name"].to_list()
    key = f"{zlib.crc32(chr(10).join([*firsts, view.by, view.group, str(view.part)]).encode()):x}"
    return Layout(kind, per, placed["row"].to_numpy(), placed["cell"].to_numpy(), firsts, groups, key)


def cells(snapshot: Snapshot, view: View = View()) -> dict[str, Any]:
    """Return the fleet map: for each block its name, cells (one digit of base 32 each), pumps and abnormal pumps.

    A digit is the priority (0 to 3), plus `ACKNOWLEDGED` if nobody has to acknowledge anything, or `RETURNED` if what
    is to be acknowledged has returned to normal, plus `SILENT`. A cell of several pumps shows the worst of them.
    `marked` has pump, alarm title and number of abnormal pumps of each abnormal cell, `names` the first pump of each
    cell, or the group; `key` changes when the names do.
    """
    found: dict[str, Any] = _CELLS.get(snapshot, view, lambda: _cells(snapshot, view))
    return found


def state_key(snapshot: Snapshot) -> str:
    """Return what is the same as long as every map of the fleet is: browsers ask for theirs when it changes."""
    standing = snapshot.alarms.filter(pl.col("state") == "unacknowledged")["pump"].drop_nulls().unique().sort()
    return f"{hash((*abnormal(snapshot.table).hash_rows(), *standing, _facts_key(snapshot.table.facts))):x}"


@remembered
def _facts_key(facts: pl.DataFrame) -> int:
    return hash(facts.hash_rows().to_numpy().tobytes())


def _cells(snapshot: Snapshot, view: View) -> dict[str, Any]:
    facts = snapshot.table.facts
    drawn, titles = layout(facts, view), names.rule_titles(snapshot)
    every = _codes(snapshot, drawn)
    worst = every.sort("cell", "rank", maintain_order=True).unique("cell", keep="first", maintain_order=True)
    digits = np.full(len(drawn.firsts), "0")
    digits[worst["cell"].to_numpy()] = _DIGITS[worst["code"].to_numpy()]
    named = worst.head(MAX_NAMED).with_columns(facts["pump"].gather(worst["row"].head(MAX_NAMED)).alias("pump"))
    counted = np.bincount(every["cell"].to_numpy(), minlength=len(drawn.firsts))
    starts = drawn.groups["first"].to_numpy()
    ends = [*starts, len(drawn.firsts)][1:]
    blocks = zip(drawn.groups["name"], starts, ends, drawn.groups["pumps"], strict=True)
    return {
        "kind": drawn.kind,
        "per": drawn.per,
        "by": view.by,
        "group": view.group,
        "part": view.part,
        "blocks": [
            [name, "".join(digits[start:end]), pumps, int(counted[start:end].sum())]
            for name, start, end, pumps in blocks
        ],
        "marked": {
            str(cell): [pump, names.rule_title(titles, rule), int(counted[cell])]
            for cell, pump, rule in named.select("cell", "pump", "worst").iter_rows()
        },
        "names": drawn.firsts,
        "key": drawn.key,
    }


def _codes(snapshot: Snapshot, drawn: Layout) -> pl.DataFrame:
    """Return the abnormal pumps of a map: `row`, `cell`, `code`, `worst`, and `rank`, the worst first."""
    facts = snapshot.table.facts
    place = np.full(facts.height, -1, np.int64)
    place[drawn.rows] = drawn.cell
    found = abnormal(snapshot.table)
    standing = snapshot.alarms.filter(pl.col("state") == "unacknowledged")["pump"].drop_nulls().unique()
    serials = facts["pump"].gather(found["row"])
    priority = pl.col("priority").cast(pl.Int16)
    state = (
        pl.when((priority > 0) & (pl.col("unacknowledged") == 0))
        .then(ACKNOWLEDGED)
        .when((priority > 0) & ~pl.col("standing"))
        .then(RETURNED)
        .otherwise(0)
    )
    return (
        found.with_columns(
            pl.Series("cell", place[found["row"].to_numpy()]),
            serials.is_in(standing.implode()).alias("standing"),
        )
        .filter(pl.col("cell") >= 0)
        .select(
            "row",
            "worst",
            "cell",
            (priority + state + SILENT * pl.col("silent").cast(pl.Int16)).cast(pl.Int16).alias("code"),
            pl.when(priority > 0)
            .then(4 * (state == ACKNOWLEDGED).cast(pl.Int16) + priority)
            .otherwise(8)
            .alias("rank"),
        )
    )
