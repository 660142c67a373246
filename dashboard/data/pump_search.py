"""This file finds pumps: those an engineer names for an order, and those a person searches or sorts for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.contract.cohorts import NAMED, cohort_name
from dashboard import formatting

MAX_CHOSEN: Final = 100_000
_URGENCY: Final = (
    pl.when(pl.col("priority") > 0).then("priority").otherwise(pl.when("silent").then(4).otherwise(5)).alias("urgency")
)
"""From 1, a high alarm, to 3; then 4 silent, and 5 normal."""
NAMES: Final = (
    *(pl.col(name) for name in ("pump", "site", "gateway")),
    *(cohort_name(kind, pl.col(kind)) for kind in NAMED),
)
"""What a pump is searched by: its serial, where it is, and its cohorts, as in "lot B07"."""
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
    """The pumps that a text names (`pump`, `gateway`), and the words of it that name none."""

    pumps: pl.DataFrame
    unknown: tuple[str, ...]


def choose(pumps: pl.DataFrame, text: str) -> Choice:
    """Find pumps by a text such as "3, 7-9, ITB-000123": numbers are those at the end of the serials."""
    parts = [word for word in re.split(r"[\s,;]+", re.sub(r"\s*-\s*(?=\d)", "-", text.strip())) if word]
    ranges = {word: _bounds(word) for word in parts}
    number = pl.col("pump").str.extract(r"(\d{1,9})$").cast(pl.Int64, strict=False)
    known = pumps.select("pump", "gateway", number.alias("number"))
    wanted = pl.col("pump").is_in(parts)
    for low, high in (bounds for bounds in ranges.values() if bounds):
        wanted |= pl.col("number").is_between(low, high).fill_null(value=False)
    found = known.filter(wanted).head(MAX_CHOSEN)
    serials, numbers = set(found["pump"]), found["number"].drop_nulls()
    unknown = [
        word
        for word, bounds in ranges.items()
        if word not in serials and not (bounds and numbers.is_between(*bounds).any())
    ]
    return Choice(found.select("pump", "gateway").sort("pump"), tuple(unknown))


def say(chosen: Choice) -> str:
    """Say which pumps a text names, or which word of it names none."""
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
    """Return serials that contain a text, for a list to pick from."""
    return pumps.filter(contains(text))["pump"].head(limit).to_list()


def contains(text: str, names: Sequence[pl.Expr] = NAMES) -> pl.Expr:
    """Say whether any of these names contains a text, whatever its case; an empty text is in all."""
    wanted = text.strip().lower()
    return pl.any_horizontal(name.fill_null("").str.to_lowercase().str.contains(wanted, literal=True) for name in names)


def page(pumps: pl.DataFrame, request: dict[str, Any], text: str) -> tuple[pl.DataFrame, int]:
    """Return the rows that a long table asks for (`startRow`, `endRow`, `sortModel`), and how many there are.

    What needs somebody comes first: without another wish, the worst alarms and then the silent pumps.
    """
    found = pumps.filter(contains(text)) if text.strip() else pumps
    orders = [(str(order.get("colId")), order.get("sort") == "desc") for order in request.get("sortModel") or []]
    orders = [order for order in orders if order[0] in SORTABLE]
    by = ["urgency" if name == "priority" else name for name, _ in orders] or ["urgency"]
    down = [down for _, down in orders] or [False]
    # Only what the order rests on is put in order: whole rows of a million pumps would take seconds.
    keys = found.select(*dict.fromkeys(name for name in by if name != "urgency"), _URGENCY).with_row_index("place")
    places = keys.sort(by, descending=down, nulls_last=True, maintain_order=True)["place"]
    start = max(0, int(request.get("startRow") or 0))
    length = min(200, max(0, int(request.get("endRow") or 100) - start))
    return found[places.slice(start, length)], found.height
