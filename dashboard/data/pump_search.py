"""Pump search: pumps named for a command, and the filtered, sorted pages of long tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from broker.contract.cohorts import cohort_name
from broker.display.names import PUMP_STATES
from broker.store.pump_table import PumpTable
from dashboard import formatting
from dashboard.data.fleet_index import Mask, Rows, Sorting, abnormal, index_of, sorting_of

MAX_SELECTED: Final = 100_000
MIN_STEM: Final = 4
"""Letters that two words need in common to be taken for one, and more than half of the word that was searched."""


def cohorts(*kinds: str) -> tuple[pl.Expr, ...]:
    """Return the names of cohorts of these kinds, such as "lot B07", that a search matches."""
    return tuple(cohort_name(kind, pl.col(kind)) for kind in kinds)


_RANGE: Final = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")
_URGENCY: Final = (
    pl.when(pl.col("priority") > 0).then("priority").otherwise(pl.when("silent").then(4).otherwise(5)).alias("urgency")
)
"""1 high alarm, 2 medium, 3 low, 4 silent, 5 normal."""
LABELLED: Final = ("model", "site", "gateway")
"""Labels by which a list of pumps can be filtered."""
SORTABLE: Final = (
    "pump",
    "site",
    "gateway",
    "model",
    "worst",
    "priority",
    "age_s",
    "reservoir_ml",
    "low_d_mid",
    "battery_v",
    "lost",
)


@dataclass(frozen=True)
class Choice:
    """The pumps that a text selects (`pump`, `gateway`), and the words in it that match none."""

    pumps: pl.DataFrame
    unknown: tuple[str, ...]


def choose(table: PumpTable, text: str) -> Choice:
    """Return the pumps selected by a text such as "3, 7-9, ITB-000123"; numbers are final digits of serials."""
    parts = [word for word in re.split(r"[\s,;]+", re.sub(r"\s*-\s*(?=\d)", "-", text.strip())) if word]
    ranges = {word: _bounds(word) for word in parts}
    facts = index_of(table).facts
    serials, selected = facts.facts["pump"], facts.facts["pump"].is_in(parts)
    bounded = [bounds for bounds in ranges.values() if bounds]
    for low, high in bounded:
        selected |= facts.numbers.is_between(low, high).fill_null(value=False)
    rows = selected.arg_true().head(MAX_SELECTED)
    known = set(serials.gather(rows))
    numbers = facts.numbers.gather(rows) if bounded else pl.Series(dtype=pl.Int64)
    unknown = [
        word
        for word, bounds in ranges.items()
        if word not in known and not (bounds and numbers.is_between(*bounds).any())
    ]
    found = facts.facts["pump", "gateway"][rows].cast(pl.String)
    return Choice(found.sort("pump"), tuple(unknown))


def describe(chosen: Choice) -> str:
    """Return which pumps are selected, or which words match none, as a sentence for the form."""
    if chosen.unknown:
        return f"Unknown: {formatting.listed(chosen.unknown)}. Enter serial numbers, or their final digits: 3, 7-9."
    serials = chosen.pumps["pump"]
    return (
        f"{formatting.count(serials.len(), 'pump')}: {formatting.listed(serials)}" if serials.len() else "Select pumps."
    )


def _bounds(word: str) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(word)
    if found is None:
        return None
    low = int(found[1])
    return low, int(found[2] or low)


def matching(table: PumpTable, text: str, limit: int = 50) -> list[str]:
    """Return serial numbers of pumps that match a text, for an autocomplete list."""
    rows = np.flatnonzero(index_of(table).facts.matching(text))[:limit]
    return table.facts["pump"].gather(rows).to_list()


def contains(text: str, names: Sequence[pl.Expr]) -> pl.Expr:
    """Return whether any of these names contains a text, ignoring case; an empty text matches all."""
    query = text.strip().lower()
    return pl.any_horizontal(name.fill_null("").str.to_lowercase().str.contains(query, literal=True) for name in names)


@dataclass(frozen=True)
class Filters:
    """What a list of pumps is narrowed down to besides a search; "" is all.

    `state` is one of `PUMP_STATES`, `rule` the rule of an open alarm, the others are labels.
    """

    state: str = ""
    rule: str = ""
    model: str = ""
    site: str = ""
    gateway: str = ""


@dataclass(frozen=True)
class Page:
    """Rows of a long table, the number of all rows that match, and how many of those are in each of `PUMP_STATES`."""

    rows: pl.DataFrame
    total: int
    states: dict[str, int]


def page(
    table: PumpTable,
    request: dict[str, Any],
    text: str,
    titles: Mapping[str, str],
    kept: Mask | None = None,
) -> Page:
    """Return the rows that a long table requests (`startRow`, `endRow`, `sortModel`).

    A search matches serial number, site, gateway and cohorts, such as "lot B07", the state of a pump (`PUMP_STATES`),
    and the title of its worst alarm; `titles` are those of the rules by name. Without a sort order, pumps come in
    natural order. Only pumps that are `kept` are listed.
    """
    index, sorting = index_of(table), sorting_of(request, SORTABLE) or (("pump", False),)
    names = [name for name, _ in sorting]
    if names == ["priority"]:
        rows = _by_urgency(table, descending=sorting[0][1])
    elif {"priority", "worst"}.isdisjoint(names):
        rows = index.order(sorting)
    else:
        rows = _with_urgency(table, sorting)
    if text.strip():
        found = index.facts.matching(text) | _by_state(table, text, titles)
        if not found.any():
            found = _by_state(table, text, {rule: _akin(text, title) for rule, title in titles.items()})
        kept = found if kept is None else kept & found
    if kept is not None:
        rows = rows[kept[rows]]
    start = max(0, int(request.get("startRow") or 0))
    length = min(200, max(0, int(request.get("endRow") or 100) - start))
    return Page(table.take(rows[start : start + length]), len(rows), _states(table, kept, len(rows)))


def filtered(table: PumpTable, filters: Filters, alarms: pl.DataFrame) -> Mask | None:
    """Return which pumps match the filters; None if all do. `alarms` are the open ones."""
    facts = index_of(table).facts
    masks = [facts.labelled(name, value) for name in LABELLED if (value := getattr(filters, name))]
    if filters.state:
        masks.append(_in_state(table, filters.state))
    if filters.rule:
        of_rule = alarms.filter(pl.col("rule") == filters.rule)["pump"]
        masks.append(facts.facts["pump"].is_in(of_rule.drop_nulls().unique().implode()).to_numpy())
    return np.logical_and.reduce(masks) if masks else None


def _in_state(table: PumpTable, state: str) -> Mask:
    """Return which pumps are in one of `PUMP_STATES`; none if it is none of them."""
    found = abnormal(table).select("row", _URGENCY)
    if state == PUMP_STATES[-1]:
        matching = np.ones(table.height, bool)
        matching[found["row"].to_numpy()] = False
        return matching
    matching = np.zeros(table.height, bool)
    place = PUMP_STATES.index(state) + 1 if state in PUMP_STATES else 0
    matching[found.filter(pl.col("urgency") == place)["row"].to_numpy()] = True
    return matching


def _states(table: PumpTable, kept: Mask | None, total: int) -> dict[str, int]:
    found = abnormal(table).select("row", _URGENCY)
    if kept is not None:
        found = found.filter(pl.Series(kept[found["row"].to_numpy()], dtype=pl.Boolean))
    counts = dict(found["urgency"].value_counts().iter_rows())
    states = {state: counts.get(place + 1, 0) for place, state in enumerate(PUMP_STATES[:-1])}
    return {**states, PUMP_STATES[-1]: total - found.height}


def _akin(text: str, title: str) -> str:
    """Return the searched text if a word of a title begins like it, as "stall" and "stalled" do; else the title."""
    query = text.strip().lower()
    same = max(MIN_STEM, 1 + len(query) // 2)
    begins = len(query) >= same and any(word.startswith(query[:same]) for word in title.lower().split())
    return query if begins else title


def _by_state(table: PumpTable, text: str, titles: Mapping[str, str]) -> Mask:
    """Return which pumps are in the state that a text names, or have an alarm with it in its title as their worst."""
    query = text.strip().lower()
    found = abnormal(table).select("row", "worst", _URGENCY)
    rules = [name for name, title in titles.items() if query in title.lower()]
    state = PUMP_STATES.index(query) + 1 if query in PUMP_STATES else 0
    matching = np.zeros(table.height, bool)
    if query == PUMP_STATES[-1]:
        matching[:] = True
        matching[found["row"].to_numpy()] = False
    hits = found["worst"].is_in(rules).fill_null(value=False) | (found["urgency"] == state)
    matching[found.filter(hits)["row"].to_numpy()] = True
    return matching


def _by_urgency(table: PumpTable, *, descending: bool) -> Rows:
    """Return the rows by urgency, then in natural order: high alarms, medium, low, silent pumps, and normal ones."""
    index = index_of(table)
    found = abnormal(table).select("row", _URGENCY)
    found = found.with_columns(index.facts.natural.gather(found["row"]).alias("natural"))
    rows = found.sort("urgency", "natural", descending=[descending, False])["row"].to_numpy()
    normal = np.ones(table.height, bool)
    normal[rows] = False
    every = index.order((("pump", False),))
    rest = every[normal[every]]
    return np.concatenate([rest, rows] if descending else [rows, rest])


def _with_urgency(table: PumpTable, sorting: Sorting) -> Rows:
    """Return the rows in an order by several columns, one of which is of alarms."""
    keys = pl.DataFrame([table.column(name) for name in dict.fromkeys(("priority", "silent", *dict(sorting)))])
    by = [_URGENCY if name == "priority" else pl.col(name) for name, _ in sorting]
    order = pl.arg_sort_by(by, descending=[down for _, down in sorting], nulls_last=True, maintain_order=True)
    return keys.select(order).to_series().to_numpy()
