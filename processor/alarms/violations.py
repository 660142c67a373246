"""This file reads from the engine's state what violates its rule, and what has ended. It is pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.alarms.subjects import SUBJECT
from processor.engine.columns import MS_PER_S, Rules, held_name, score_name
from processor.rules import RULES, Rule

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
    **SUBJECT,
    "rule": pl.String(),
    "onset": pl.Int64(),
    "time": pl.Int64(),
    "score": pl.Float32(),
}


_NO_OTHER: Final = [pl.lit(None, dtype).alias(name) for name, dtype in SUBJECT.items() if name != "pump"]


def nothing_seen() -> Violations:
    """Return what is seen when nothing was looked at."""
    return Violations(pl.DataFrame(schema=OBSERVED), pl.DataFrame(schema=OBSERVED))


def violations(rows: pl.DataFrame, alarms: pl.DataFrame, rules: Rules = RULES) -> Violations:
    """Read from judged rows of the state (with `pump`) what violates and what has returned to normal."""
    if rows.height == 0:
        return nothing_seen()
    judged = [rule for rule in rules if rule.detector.judges == "sample"]
    hot = rows.filter(pl.any_horizontal(pl.col(score_name(rule)) >= 1.0 for rule in judged))
    score, held = _matrix(hot, judged, score_name), _matrix(hot, judged, held_name)
    standing = (score >= 1.0) & (held >= np.array([rule.on_delay_s for rule in judged]))
    open_rules = set(alarms["rule"].unique())
    ended = [rule for rule in judged if rule.name in open_rules]
    alarmed = rows.filter(pl.col("pump").is_in(alarms["pump"].implode())) if ended else rows.clear()
    score_now, held_now = _matrix(alarmed, ended, score_name), _matrix(alarmed, ended, held_name)
    over = (score_now < DEADBAND) & (held_now >= np.array([rule.off_delay_s for rule in ended]))
    return Violations(
        _observe(hot, judged, standing, score, held),
        _observe(alarmed, ended, over, score_now, held_now),
    )


def _matrix(rows: pl.DataFrame, rules: list[Rule], column: Callable[[Rule], str]) -> npt.NDArray[np.float64]:
    """Return a column of each rule: a row a pump, a column a rule."""
    if rows.height == 0 or not rules:
        return np.empty((rows.height, len(rules)))
    return rows.select(column(rule) for rule in rules).to_numpy().astype(np.float64)


def _observe(
    rows: pl.DataFrame,
    rules: list[Rule],
    holds: npt.NDArray[np.bool_],
    score: npt.NDArray[np.float64],
    held: npt.NDArray[np.float64],
) -> pl.DataFrame:
    """Return one row (`OBSERVED`) for each pump and rule for which it holds, rule by rule."""
    rule, row = np.nonzero(holds.T)
    if len(row) == 0:
        return pl.DataFrame(schema=OBSERVED)
    seen = rows.select("pump", "time")[row]
    since_ms = (held[row, rule] * MS_PER_S).astype(np.int64)
    names = pl.Series("rule", [each.name for each in rules], dtype=pl.String)
    return seen.with_columns(
        *_NO_OTHER,
        names.gather(rule),
        (seen["time"] - pl.Series(since_ms)).alias("onset"),
        pl.Series("score", score[row, rule], dtype=pl.Float32),
    ).select(pl.col(name).cast(dtype) for name, dtype in OBSERVED.items())


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


def _silence(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    return rows.select(
        "pump",
        *_NO_OTHER,
        pl.lit(rule).alias("rule"),
        "onset",
        pl.col("now").alias("time"),
        pl.col(rule).alias("score"),
    )


def _stack(frames: list[pl.DataFrame]) -> pl.DataFrame:
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled).cast(OBSERVED) if filled else pl.DataFrame(schema=OBSERVED)  # type: ignore[arg-type]
