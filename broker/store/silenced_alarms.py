"""Open alarms with the fields that matchers compare, and which silence covers each: for previews and screens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from broker.contract.alarm_matchers import AGE, FIELDS, AlarmMatcher
from broker.contract.cohorts import NAMED
from broker.contract.silences import Silence
from broker.store.snapshot import PRIORITIES, Snapshot

SILENCED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "silence": pl.String(),
    "silenced_until": pl.Int64(),
    "silenced_by": pl.String(),
    "silenced_why": pl.String(),
}
"""One row per open alarm about which nobody is notified now: the silence's id, its end (wall ms), author and reason."""


def fields(snapshot: Snapshot, now: int) -> pl.DataFrame:
    """Return the open alarms with the columns `FIELDS`, `AGE`, `title` and `priority_code`; `now` is wall ms."""
    alarms = snapshot.alarms
    serials = alarms["pump"].drop_nulls().unique()
    facts = snapshot.table.facts.select("pump", *NAMED).filter(pl.col("pump").is_in(serials.implode()))
    facts = facts.cast(dict.fromkeys(facts.columns, pl.String()))
    cohorts = [
        pl.when((pl.col("subject_kind") == "cohort") & pl.col("subject").str.starts_with(f"{kind} "))
        .then(pl.col("subject").str.strip_prefix(f"{kind} "))
        .otherwise(pl.col(kind))
        .alias(kind)
        for kind in NAMED
    ]
    words = dict(enumerate(PRIORITIES, start=1))
    return (
        alarms.join(facts, on="pump", how="left", maintain_order="left")
        .with_columns(
            *cohorts,
            pl.col("priority").alias("priority_code"),
            pl.col("priority").replace_strict(words, default=None, return_dtype=pl.String),
            ((now - pl.col("raised_wall")) / 1000).cast(pl.Float64).alias(AGE),
        )
        .select(*FIELDS, AGE, "title", "priority_code")
    )


def matching(found: pl.DataFrame, matcher: AlarmMatcher) -> pl.DataFrame:
    """Return the alarms (`fields`) that match, the most urgent first."""
    return found.filter(matcher.expression()).sort("priority_code", AGE, descending=[False, True], maintain_order=True)


def marks(found: pl.DataFrame, silences: Iterable[Silence], now: int) -> pl.DataFrame:
    """Return which alarms (`fields`) are silenced at `now` (wall ms), each by the silence that lasts longest."""
    covered = [
        found.filter(_covers(silence)).select(
            "alarm",
            pl.lit(silence.id).alias("silence"),
            pl.lit(until, pl.Int64).alias("silenced_until"),
            pl.lit(silence.who).alias("silenced_by"),
            pl.lit(silence.reason).alias("silenced_why"),
        )
        for silence in silences
        if (until := silence.active_until(now)) is not None
    ]
    together = pl.concat([pl.DataFrame(schema=SILENCED_SCHEMA), *covered])
    return together.sort("silenced_until", descending=True, maintain_order=True).unique(
        "alarm", keep="first", maintain_order=True
    )


def _covers(silence: Silence) -> pl.Expr:
    condition = silence.matcher.expression()
    return condition & pl.col("alarm").is_in(list(silence.alarms)) if silence.kind == "until_clear" else condition
