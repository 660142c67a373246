"""Scores of silent pumps, by the age of their last sample."""

from __future__ import annotations

import polars as pl

from processor.alarms.hold import LIMIT, SCORES, no_scores
from processor.alarms.subjects import SUBJECT
from processor.engine.columns import MS_PER_S, Rules, is_scored_by, score_name, select
from processor.rules import RULES, Rule


def silence_scores(state: pl.DataFrame, timers: pl.DataFrame, rules: Rules = RULES) -> pl.DataFrame:
    """Return the scores (`processor.alarms.hold.SCORES`) of pumps that are silent, or whose timers run.

    `state` has `pump`, `age` (s, null: not monitored), `now` (its gateway's therapy ms) and fresh scores. The onset is
    when the age reached the rule's limit.
    """
    parts = [_scores(state, timers, rule) for rule in rules if is_scored_by(rule, "age")]
    filled = [part for part in parts if part.height]
    return pl.concat(filled) if filled else no_scores()


def _scores(state: pl.DataFrame, timers: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    score, name = pl.col(score_name(rule)), score_name(rule)
    timed = timers.filter(pl.col("rule") == name)["pump"]
    columns = select(state, "pump", "time", "age", "now", name)
    rows = columns.filter((score >= LIMIT) | pl.col("pump").is_in(timed.implode()))
    limit_s = pl.col("age") / score
    # From the last sample, in whole seconds: the same whenever it is noticed, though ages are Float32.
    last = pl.coalesce("time", pl.col("now") - (pl.col("age") * MS_PER_S).cast(pl.Int64))
    onset = last + (limit_s.round() * MS_PER_S).cast(pl.Int64)
    return rows.select(
        "pump",
        *(pl.lit(None, dtype).alias(column) for column, dtype in SUBJECT.items() if column != "pump"),
        pl.lit(name).alias("rule"),
        pl.when(pl.col("age").is_not_null()).then(score).alias("score"),
        pl.col("now").alias("time"),
        pl.when(score >= LIMIT).then(onset).alias("onset"),
    ).select(pl.col(column).cast(dtype) for column, dtype in SCORES.items())
