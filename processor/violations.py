"""This file reads from the engine's state what violates its rule, and what has ended. It is pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from processor.engine import MS_PER_S, Rules, held_name, score_name
from processor.rules import RULES

DEADBAND: Final = 0.8
"""A violation is over only below this part of its limit, so that one that hovers there is one alarm, not many.

A modelling choice. The off-delay runs from when the score fell below the limit.
"""


@dataclass(frozen=True)
class Violations:
    """What is seen now: `standing` long enough to be raised, and how the subject of every open alarm does.

    Both have the columns `OBSERVED`; `over` lists what has been normal for its off-delay, and below the deadband.
    """

    standing: pl.DataFrame
    over: pl.DataFrame


OBSERVED: Final[dict[str, pl.DataType]] = {
    "pump": pl.UInt32(),
    "gateway": pl.UInt32(),
    "rule": pl.String(),
    "onset": pl.Int64(),
    "time": pl.Int64(),
    "score": pl.Float32(),
}


_NO_GATEWAY: Final = pl.lit(None, pl.UInt32).alias("gateway")


def nothing_seen() -> Violations:
    """Return what is seen when nothing was looked at."""
    return Violations(pl.DataFrame(schema=OBSERVED), pl.DataFrame(schema=OBSERVED))


def violations(rows: pl.DataFrame, alarms: pl.DataFrame, rules: Rules = RULES) -> Violations:
    """Read from changed rows of the state (with `pump`) what violates and what has returned to normal."""
    judged = tuple(rule for rule in rules if rule.detector.judges == "sample")
    hot = rows.filter(pl.any_horizontal(_stands(judged)))
    alarmed = rows.filter(pl.col("pump").is_in(alarms["pump"].implode())) if alarms.height else rows.clear()
    standing = _where(hot, _named_stands(judged))
    open_rules = set(alarms["rule"].unique())
    over = _where(alarmed, tuple(named for named in _named_over(judged) if named[1] in open_rules))
    return Violations(_stack(standing), _stack(over))


def silences(state: pl.DataFrame, alarms: pl.DataFrame, rules: Rules = RULES) -> Violations:
    """Read what is judged by age: `state` has `pump`, `age`, `now` (its gateway's therapy ms) and fresh scores."""
    standing, over = [], []
    watched = pl.col("pump").is_in(alarms["pump"].implode())
    for rule in rules:
        if rule.detector.judges != "age":
            continue
        score = pl.col(score_name(rule))
        limit_s = pl.col("age") / score
        violated = state.filter((score >= 1.0) & (pl.col("age") - limit_s >= rule.on_delay_s))
        # From the last sample, in whole seconds: the same whenever it is noticed, though ages are float32.
        last = pl.coalesce("time", pl.col("now") - (pl.col("age") * MS_PER_S).cast(pl.Int64))
        onset = last + (limit_s.round() * MS_PER_S).cast(pl.Int64)
        standing.append(_silence(violated.with_columns(onset.alias("onset")), rule.name))
        heard = state.filter(watched & (score < 1.0) & pl.col("age").is_not_null())
        over.append(_silence(heard.with_columns(pl.col("now").alias("onset")), rule.name))
    return Violations(_stack(standing), _stack(over))


@cache
def _named_stands(rules: Rules) -> tuple[tuple[pl.Expr, str], ...]:
    return tuple(
        ((pl.col(score_name(rule)) >= 1.0) & (pl.col(held_name(rule)) >= rule.on_delay_s), rule.name) for rule in rules
    )


@cache
def _named_over(rules: Rules) -> tuple[tuple[pl.Expr, str], ...]:
    return tuple(
        ((pl.col(score_name(rule)) < DEADBAND) & (pl.col(held_name(rule)) >= rule.off_delay_s), rule.name)
        for rule in rules
    )


def _stands(rules: Rules) -> list[pl.Expr]:
    return [condition for condition, _ in _named_stands(rules)]


def _where(rows: pl.DataFrame, named: tuple[tuple[pl.Expr, str], ...]) -> list[pl.DataFrame]:
    """Return what is observed of each rule, of those that hold for any row."""
    if rows.height == 0:
        return []
    holds = rows.select(condition.alias(name) for condition, name in named)
    return [_observe(rows.filter(mask), mask.name) for mask in holds.get_columns() if mask.any()]


def _observe(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    onset = pl.col("time") - (pl.col(f"{rule}.held") * MS_PER_S).cast(pl.Int64)
    return rows.select(
        "pump", _NO_GATEWAY, pl.lit(rule).alias("rule"), onset.alias("onset"), "time", pl.col(rule).alias("score")
    )


def _silence(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    return rows.select(
        "pump",
        _NO_GATEWAY,
        pl.lit(rule).alias("rule"),
        "onset",
        pl.col("now").alias("time"),
        pl.col(rule).alias("score"),
    )


def _stack(frames: list[pl.DataFrame]) -> pl.DataFrame:
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled).cast(OBSERVED) if filled else pl.DataFrame(schema=OBSERVED)  # type: ignore[arg-type]
