"""Pump search: pumps named for a command, and the filtered, sorted pages of long tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.contract.cohorts import NAMED, cohort_name
from dashboard import formatting

MAX_SELECTED: Final = 100_000
_URGENCY: Final = (
    pl.when(pl.col("priority") > 0).then("priority").otherwise(pl.when("silent").then(4).otherwise(5)).alias("urgency")
)
"""1 high alarm, 2 medium, 3 low, 4 silent, 5 normal."""


def cohorts(*kinds: str) -> tuple[pl.Expr, ...]:
    """Return the names of cohorts of these kinds, such as "lot B07", that a search matches."""
    return tuple(cohort_name(kind, pl.col(kind)) for kind in kinds)


NAMES: Final = (*(pl.col(name) for name in ("pump", "site", "gateway")), *cohorts(*NAMED))
"""What a search matches: serial number, site, gateway and cohorts, such as "lot B07"."""
_RANGE: Final = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")
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


def choose(pumps: pl.DataFrame, text: str) -> Choice:
    """Return the pumps selected by a text such as "3, 7-9, ITB-000123"; numbers are final digits of serials."""
    parts = [word for word in re.split(r"[\s,;]+", re.sub(r"\s*-\s*(?=\d)", "-", text.strip())) if word]
    ranges = {word: _bounds(word) for word in parts}
    number = pl.col("pump").str.extract(r"(\d{1,9})$").cast(pl.Int64, strict=False)
    known = pumps.select("pump", "gateway", number.alias("number"))
    selected = pl.col("pump").is_in(parts)
    for low, high in (bounds for bounds in ranges.values() if bounds):
        selected |= pl.col("number").is_between(low, high).fill_null(value=False)
    found = known.filter(selected).head(MAX_SELECTED)
    serials, numbers = set(found["pump"]), found["number"].drop_nulls()
    unknown = [
        word
        for word, bounds in ranges.items()
        if word not in serials and not (bounds and numbers.is_between(*bounds).any())
    ]
    return Choice(found.select("pump", "gateway").sort("pump"), tuple(unknown))


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


def matching(pumps: pl.DataFrame, text: str, limit: int = 50) -> list[str]:
    """Return serial numbers of pumps that match a text, for an autocomplete list."""
    return pumps.filter(contains(text))["pump"].head(limit).to_list()


def contains(text: str, names: Sequence[pl.Expr] = NAMES) -> pl.Expr:
    """Return whether any of these names contains a text, ignoring case; an empty text matches all."""
    query = text.strip().lower()
    return pl.any_horizontal(name.fill_null("").str.to_lowercase().str.contains(query, literal=True) for name in names)


def page(pumps: pl.DataFrame, request: dict[str, Any], text: str) -> tuple[pl.DataFrame, int]:
    """Return the rows that a long table requests (`startRow`, `endRow`, `sortModel`), and the number of all rows.

    Without a sort order, the highest alarm priorities come first, then silent pumps.
    """
    found = pumps.filter(contains(text)) if text.strip() else pumps
    sorting = [(str(key.get("colId")), key.get("sort") == "desc") for key in request.get("sortModel") or []]
    sorting = [key for key in sorting if key[0] in SORTABLE]
    by = ["urgency" if name == "priority" else name for name, _ in sorting] or ["urgency"]
    down = [down for _, down in sorting] or [False]
    # Only the sort keys are sorted: whole rows of a million pumps would take seconds.
    keys = found.select(*dict.fromkeys(name for name in by if name != "urgency"), _URGENCY).with_row_index("place")
    places = keys.sort(by, descending=down, nulls_last=True, maintain_order=True)["place"]
    start = max(0, int(request.get("startRow") or 0))
    length = min(200, max(0, int(request.get("endRow") or 100) - start))
    return found[places.slice(start, length)], found.height
