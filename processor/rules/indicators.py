"""Indicators of rules about Pumpwatch itself: levels and rises of counters (`processor.watch.readings`)."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.rules.measures import Measure
from processor.rules.rule import MINUTE

RISES_OVER_S: Final = 10 * MINUTE
"""Wall seconds over which the rise of a counter is judged."""


def level(what: str, part: str | None = None) -> pl.Expr:
    """Return the score of level readings, of one part or of all, against the limit in the reading."""
    selected = (pl.col("what") == what) & (pl.lit(value=True) if part is None else pl.col("part") == part)
    return pl.when(selected).then(pl.col("value") / pl.col("limit"))


def rise(what: str, most: float = 1.0) -> pl.Expr:
    """Return the score of a counter's rise within `RISES_OVER_S` against its limit `most`."""
    return pl.when(pl.col("what") == what).then(pl.col("rise") / most)


def share(what: str, of: str, most: float) -> pl.Expr:
    """Return the score of one counter's rise within `RISES_OVER_S`, as a share of another's, against a limit."""
    return pl.when(pl.col("what") == what).then(
        pl.col("rise") / (pl.col("rise").filter(pl.col("what") == of).sum() * most)
    )


def measure(label: str, unit: str, limit: float | None = None) -> tuple[Measure, ...]:
    """Return the one measure that supports the alarm: the level, or the rise if it has a limit."""
    column = "value" if limit is None else "rise"
    return (Measure(label, unit, lambda _: pl.col(column), limit=limit),)


FAILURES: Final = measure("Failures", "")
