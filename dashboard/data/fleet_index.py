"""Indexes of the pumps of a snapshot, made once for all viewers: labels, search, sort orders, silent pumps."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.cohorts import FLEET, NAMED, NO_MEMBERS, cohort_name
from broker.store.pump_table import FACTS_SCHEMA, PumpTable
from dashboard.data.memo import remembered

SEARCHED: Final = ("site", "gateway", *NAMED)
"""Labels that a search among pumps matches, besides the serial number."""
MAX_ORDERS: Final = 6
MAX_SEARCHES: Final = 6
Sorting = tuple[tuple[str, bool], ...]
"""Columns to sort by, each with whether it is sorted descending."""
Rows = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """A label of each pump as a `code`: its place among the distinct `names`, which are sorted, null last."""

    names: pl.Series
    codes: npt.NDArray[np.uint32]


@dataclass(eq=False)
class FactsIndex:
    """Indexes of what seldom changes: serial numbers and labels."""

    facts: pl.DataFrame
    _labels: dict[str, Labels] = field(default_factory=dict)
    _searches: dict[str, Mask] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def labels(self, name: str) -> Labels:
        """Return one of the labels."""
        with self._lock:
            if name not in self._labels:
                given = self.facts[name].cast(pl.Categorical).alias("name")
                names = given.unique().cast(pl.String).sort(nulls_last=True).alias("name")
                places = names.cast(pl.Categorical).to_frame().with_row_index("code")
                codes = given.to_frame().join(places, on="name", how="left", nulls_equal=True, maintain_order="left")
                self._labels[name] = Labels(names, codes["code"].to_numpy())
            return self._labels[name]

    @cached_property
    def gateways(self) -> pl.DataFrame:
        """Each gateway with the number of its pumps (`behind`)."""
        labels = self.labels("gateway")
        return pl.DataFrame(
            [
                labels.names.alias("gateway"),
                pl.Series("behind", np.bincount(labels.codes, minlength=labels.names.len())),
            ]
        )

    @cached_property
    def lower(self) -> pl.Series:
        """The serial numbers in lower case."""
        return self.facts["pump"].str.to_lowercase()

    @cached_property
    def numbers(self) -> pl.Series:
        """The final digits of each serial number as a number (Int64), null if it ends in none."""
        return self.facts["pump"].str.extract(r"(\d{1,9})$").cast(pl.Int64, strict=False)

    @cached_property
    def natural(self) -> pl.Series:
        """The place of each pump in natural order, in which MY-2 comes before MY-10 (UInt32)."""
        serials = self.facts.select("pump", number=self.numbers, stem=pl.col("pump").str.replace(r"\d{1,9}$", ""))
        order = serials.select(pl.arg_sort_by("stem", "number", "pump")).to_series()
        places = np.empty(len(order), np.uint32)
        places[order.to_numpy()] = np.arange(len(order), dtype=np.uint32)
        return pl.Series(places)

    def matching(self, text: str) -> Mask:
        """Return whether the serial, site, gateway or cohort of each pump contains a text, ignoring case."""
        query = text.strip().lower()
        with self._lock:
            if query not in self._searches:
                while len(self._searches) >= MAX_SEARCHES:
                    del self._searches[next(iter(self._searches))]
                self._searches[query] = self._match(query)
            return self._searches[query]

    def _match(self, query: str) -> Mask:
        found = self.lower.str.contains(query, literal=True).to_numpy().copy()
        for name in SEARCHED:
            shown = self._shown(name).fill_null("").str.to_lowercase()
            hits = shown.str.contains(query, literal=True).to_numpy()
            if hits.any():
                found |= hits[self.labels(name).codes]
        return found

    def labelled(self, name: str, value: str) -> Mask:
        """Return which pumps have this value of one of the labels."""
        labels = self.labels(name)
        codes = (labels.names == value).fill_null(value=False).arg_true().to_numpy()
        return np.isin(labels.codes, codes)

    def members(self, cohorts: pl.Series) -> pl.DataFrame:
        """Return the pumps (`broker.contract.cohorts.MEMBERS`) of those of these names that are cohorts."""
        serials = self.facts["pump"]
        found = [serials.to_frame().select(pl.lit(FLEET).alias("cohort"), "pump")] if FLEET in cohorts else [NO_MEMBERS]
        for name in ("gateway", *NAMED):
            shown, codes = self._shown(name), self.labels(name).codes
            rows = np.flatnonzero(shown.is_in(cohorts.implode()).fill_null(value=False).to_numpy()[codes])
            found.append(pl.DataFrame([shown.gather(codes[rows]).alias("cohort"), serials.gather(rows)]))
        return pl.concat(found)

    def _shown(self, name: str) -> pl.Series:
        """Return the distinct names of a label as people read them: those of cohorts such as "lot B07"."""
        names = self.labels(name).names
        return names.to_frame().select(cohort_name(name, pl.col("name")) if name in NAMED else "name").to_series()


@dataclass(eq=False)
class TableIndex:
    """Indexes of a whole table of pumps but for its marks: who is silent, and the orders that viewers ask for."""

    table: PumpTable
    facts: FactsIndex
    _orders: dict[Sorting, Rows] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def silent(self) -> Mask:
        """Whether each pump is silent; one of which that is unknown is."""
        return self.table.column("silent").fill_null(value=True).to_numpy()

    def order(self, sorting: Sorting) -> Rows:
        """Return the rows in an order; nulls come last, and equals in the order of the table."""
        with self._lock:
            if sorting not in self._orders:
                while len(self._orders) >= MAX_ORDERS:
                    del self._orders[next(iter(self._orders))]
                self._orders[sorting] = self._sort(sorting)
            return self._orders[sorting]

    def _sort(self, sorting: Sorting) -> Rows:
        keys = {str(at): self._key(name) for at, (name, _) in enumerate(sorting)}
        order = pl.arg_sort_by(
            list(keys), descending=[down for _, down in sorting], nulls_last=True, maintain_order=True
        )
        return pl.DataFrame(keys).select(order).to_series().to_numpy()

    def _key(self, name: str) -> pl.Series:
        if name == "pump":
            return self.facts.natural
        if name not in FACTS_SCHEMA:
            return self.table.column(name)
        labels = self.facts.labels(name)
        codes = pl.Series(labels.codes)
        null = labels.names.null_count() > 0
        return pl.select(pl.when(codes < labels.names.len() - 1).then(codes)).to_series() if null else codes


@remembered
def facts_index(facts: pl.DataFrame) -> FactsIndex:
    """Return the indexes of facts, made once."""
    return FactsIndex(facts)


class _Tables:
    """The index of the latest table; those whose parts are the same share it, whatever their marks."""

    def __init__(self) -> None:
        self._latest: TableIndex | None = None

    def of(self, table: PumpTable) -> TableIndex:
        latest = self._latest
        if latest is None or not _same_parts(latest.table, table):
            self._latest = latest = TableIndex(table, facts_index(table.facts))
        return latest


def _same_parts(one: PumpTable, other: PumpTable) -> bool:
    return one.facts is other.facts and one.values is other.values and one.forecasts is other.forecasts


_TABLES: Final = _Tables()


def index_of(table: PumpTable) -> TableIndex:
    """Return the indexes of a table, made once as long as only its marks change."""
    return _TABLES.of(table)


def abnormal(table: PumpTable) -> pl.DataFrame:
    """Return the pumps with alarms and the silent ones: `row`, `priority`, `unacknowledged`, `worst`, `silent`."""
    silent = index_of(table).silent
    rows = pl.DataFrame({"row": np.flatnonzero(silent).astype(np.uint32)})
    found = table.marks.join(rows, on="row", how="full", coalesce=True, maintain_order="left_right").sort("row")
    return found.select(
        "row",
        pl.col("priority", "unacknowledged").fill_null(0),
        "worst",
        pl.Series("silent", silent[found["row"].to_numpy()], dtype=pl.Boolean),
    )


def sorting_of(request: dict[str, Any], sortable: tuple[str, ...]) -> Sorting:
    """Return the sort order that a grid requests, as far as its columns are among the sortable ones."""
    keys = [(str(key.get("colId")), key.get("sort") == "desc") for key in request.get("sortModel") or []]
    return tuple(dict.fromkeys(key for key in keys if key[0] in sortable))
