"""Readings: what Pumpwatch measures about itself, as a small frame that the system rules score.

A reading is a row. Its kind (`what`) decides which rules score it, `part` is the component. A level has a `limit`; a
count only grows, and rules score its recent rise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from broker.store.snapshot import CapacityLimit
from processor.engine.sequence import Totals
from processor.rules.reading_kinds import CAME, CLAIMED, DROPPED, FORGED, FULLNESS, LAG, LOST, REFUSED, RESENT, TROUBLE

SCHEMA: Final[dict[str, pl.DataType]] = {
    "what": pl.String(),
    "part": pl.String(),
    "value": pl.Float64(),
    "limit": pl.Float64(),
    "unit": pl.String(),
    "text": pl.String(),
}
"""`limit` is null for a count. `text` is the whole sentence for a level, and the thing counted for a count."""
Row = tuple[str, str, float, float | None, str, str]


def frame(*rows: Iterable[Row]) -> pl.DataFrame:
    """Return the frame (`SCHEMA`) of these rows."""
    return pl.DataFrame([row for some in rows for row in some], SCHEMA, orient="row")


def troubles(found: Mapping[str, str]) -> list[Row]:
    """Return a row for each failing component: its name, and a sentence about the failure."""
    return [(TROUBLE, part, 1.0, 1.0, "", text) for part, text in found.items()]


def capacities(limits: Iterable[CapacityLimit]) -> list[Row]:
    """Return the utilization of each limit that has a warning level, and how often each limit was reached."""
    rows: list[Row] = []
    for limit in limits:
        if limit.warn_at is not None and limit.limit > 0:
            share = 100.0 * limit.value / limit.limit
            amount = f"{_amount(limit.value, limit.unit)} of {_amount(limit.limit, limit.unit)}"
            text = f"{limit.name} {share:.0f} % full: {amount}"
            rows.append((FULLNESS, limit.name, share, 100.0 * limit.warn_at, "%", text))
        rows.append((limit.when_full, limit.name, float(limit.reached), None, "", f"times “{limit.name}” was full"))
    return rows


def lag(seconds: float, limit_s: float) -> list[Row]:
    """Return the present end-to-end latency and its limit."""
    text = f"end-to-end latency from gateway to dashboard is {seconds:,.0f} s"
    return [(LAG, "end-to-end latency", seconds, limit_s, "s", text)]


def counts(samples: Totals, *, dropped: int, refused: int, droppers: Sequence[tuple[str, int]]) -> list[Row]:
    """Return the counts of received, permanently lost, redelivered and dropped samples, and of rejected messages.

    `droppers` are the gateways that dropped most, each with its count.
    """
    worst = ", ".join(f"{name} {count:,}" for name, count in droppers)
    dropped_text = f"samples dropped by gateways (total {worst})" if worst else "samples dropped by gateways"
    redelivered = float(samples.redelivered)
    return [
        (CAME, "samples", float(samples.received), None, "samples", "samples received"),
        (LOST, "samples lost", float(samples.lost), None, "samples", "samples permanently lost"),
        (RESENT, "samples redelivered", redelivered, None, "samples", "samples redelivered by gateways"),
        (DROPPED, "gateway outboxes", float(dropped), None, "samples", dropped_text),
        (REFUSED, "messages rejected", float(refused), None, "messages", "messages rejected"),
    ]


def refusals(*, forged: int, claimed: int) -> list[Row]:
    """Return the counts of refused commands and actions, and of pumps that another gateway claimed in vain."""
    return [
        (FORGED, "commands", float(forged), None, "", "unauthorized commands or actions refused"),
        (CLAIMED, "gateways", float(claimed), None, "pumps", "pumps claimed by another gateway than their own"),
    ]


def _amount(amount: float, unit: str) -> str:
    if unit != "bytes":
        return f"{amount:,.0f} {unit}"
    return f"{amount / 1e9:,.1f} GB" if amount >= 1e9 else f"{amount / 1e6:,.1f} MB"
