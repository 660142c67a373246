"""This file is what Pumpwatch reads off itself: a small frame of numbers, by which the system's rules judge it.

A reading is a row. What it is (`what`) says which rules look at it, `part` which thing it is about. A level has a
`limit`; a count only ever grows, and rules look at how much it has risen lately.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from broker.store.snapshot import CapacityLimit
from processor.engine.sequence import Totals

SCHEMA: Final[dict[str, pl.DataType]] = {
    "what": pl.String(),
    "part": pl.String(),
    "value": pl.Float64(),
    "limit": pl.Float64(),
    "unit": pl.String(),
    "text": pl.String(),
}
"""`limit` is null for a count. `text` says it in words: all of it for a level, of a count only what was counted."""
TROUBLE: Final = "trouble"
FULLNESS: Final = "fullness"
LAG: Final = "lag"
LOST: Final = "lost"
DROPPED: Final = "dropped"
REFUSED: Final = "refused"
CAME: Final = "came"
RESENT: Final = "resent"
Row = tuple[str, str, float, float | None, str, str]


def frame(*rows: Iterable[Row]) -> pl.DataFrame:
    """Return the frame (`SCHEMA`) of all these rows."""
    return pl.DataFrame([row for some in rows for row in some], SCHEMA, orient="row")


def troubles(found: Mapping[str, str]) -> list[Row]:
    """Return a row for each thing that fails now: its name, and what fails, in words."""
    return [(TROUBLE, part, 1.0, 1.0, "", text) for part, text in found.items()]


def bounds(found: Iterable[CapacityLimit]) -> list[Row]:
    """Return how full each bound is, where it has a limit to warn at, and how often it was reached."""
    rows: list[Row] = []
    for bound in found:
        if bound.warn_at is not None and bound.limit > 0:
            share = 100.0 * bound.value / bound.limit
            amount = f"{_said(bound.value, bound.unit)} of {_said(bound.limit, bound.unit)}"
            text = f"{bound.name} {share:.0f} % full: {amount}"
            rows.append((FULLNESS, bound.name, share, 100.0 * bound.warn_at, "%", text))
        rows.append((bound.when_full, bound.name, float(bound.reached), None, "", f"times “{bound.name}” was full"))
    return rows


def lag(seconds: float, limit_s: float) -> list[Row]:
    """Return how long samples take to the screens now, against how long they may."""
    text = f"samples take {seconds:,.0f} s from the gateway to the screens"
    return [(LAG, "samples on their way", seconds, limit_s, "s", text)]


def counts(samples: Totals, *, dropped: int, refused: int, droppers: Sequence[tuple[str, int]]) -> list[Row]:
    """Return what came, was lost for good or sent again, was dropped by gateways (`droppers`: the worst, with how many)
    and refused.
    """
    by = ", ".join(f"{name} {many:,}" for name, many in droppers)
    whom = f"samples dropped by gateways (in all {by})" if by else "samples dropped by gateways"
    return [
        (CAME, "samples", float(samples.received), None, "samples", "samples came"),
        (LOST, "samples lost", float(samples.lost), None, "samples", "samples lost for good"),
        (RESENT, "samples sent again", float(samples.redelivered), None, "samples", "samples sent again by gateways"),
        (DROPPED, "gateways' outboxes", float(dropped), None, "samples", whom),
        (REFUSED, "messages refused", float(refused), None, "messages", "messages refused"),
    ]


def _said(amount: float, unit: str) -> str:
    if unit != "bytes":
        return f"{amount:,.0f} {unit}"
    return f"{amount / 1e9:,.1f} GB" if amount >= 1e9 else f"{amount / 1e6:,.1f} MB"
