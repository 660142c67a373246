"""Hold timers: on-delay, off-delay and deadband of every rule. Pure.

A condition stands once its score has been at or above the limit (1.0) for the rule's on-delay. It has cleared once the
score has been below the limit for the off-delay and is below the deadband; some rules restart the off-delay while the
score is within the deadband. Pumps carry their timers as columns of the
state frame, because the engine updates a million of them at once (`conditions_of_pumps`); everything else, and the
silence of pumps, has one row per timer (`hold`). Both apply the same two rules, `stands` and `has_cleared`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.alarms.subjects import KEY, SUBJECT
from processor.engine.columns import MS_PER_S, Rules, in_state_name, is_scored_by, score_name
from processor.rules import RULES, Rule

LIMIT: Final = 1.0
"""Every score is 1.0 at the limit of its rule."""

SCORES: Final[dict[str, pl.DataType]] = {
    **SUBJECT,
    "rule": pl.String(),
    "score": pl.Float64(),
    "time": pl.Int64(),
    "onset": pl.Int64(),
}
"""Scores at one moment: `time` is the subject's therapy ms; null `score` is unknown. `onset` is when the limit was
crossed, if the source knows that (therapy ms), else null: then it is `time`."""
TIMERS: Final[dict[str, pl.DataType]] = {
    **SUBJECT,
    "rule": pl.String(),
    "above": pl.Boolean(),
    "since": pl.Int64(),
    "onset": pl.Int64(),
    "standing": pl.Boolean(),
}
"""A timer for each subject and rule whose score is at its limit, or whose condition stands. `since` is when the score
last crossed the limit, on the clock of the rule's delays (ms; null while a
score within the deadband keeps its off-delay from starting); `onset` is that of the condition (therapy ms)."""
CONDITIONS: Final[dict[str, pl.DataType]] = {
    **SUBJECT,
    "rule": pl.String(),
    "onset": pl.Int64(),
    "time": pl.Int64(),
    "score": pl.Float32(),
}
_Column = TypeVar("_Column", pl.Expr, npt.NDArray[np.float64])
_OTHER_SUBJECTS: Final = [pl.lit(None, dtype).alias(name) for name, dtype in SUBJECT.items() if name != "pump"]


@dataclass(frozen=True)
class Conditions:
    """Conditions that stand now, and those that have cleared (both `CONDITIONS`)."""

    standing: pl.DataFrame
    cleared: pl.DataFrame


# Made once: an empty frame of ten columns takes Polars a good part of a millisecond, and every batch needs some.
_NO_CONDITIONS: Final = pl.DataFrame(schema=CONDITIONS)
_NO_TIMERS: Final = pl.DataFrame(schema=TIMERS)
_NO_SCORES: Final = pl.DataFrame(schema=SCORES)


def no_conditions() -> Conditions:
    """Return no conditions."""
    return Conditions(_NO_CONDITIONS, _NO_CONDITIONS)


def no_timers() -> pl.DataFrame:
    """Return the frame of no timers (`TIMERS`)."""
    return _NO_TIMERS


def no_scores() -> pl.DataFrame:
    """Return the frame of no scores (`SCORES`)."""
    return _NO_SCORES


def with_missing(scores: pl.DataFrame, timers: pl.DataFrame, rules: Rules, time: int) -> pl.DataFrame:
    """Return the scores with a score of 0 for each timer of these rules that has none; `time` is therapy ms.

    For sources that score everything there is: what is missing can no longer be scored, and counts as normal.
    """
    timed = timers.filter(pl.col("rule").is_in([rule.name for rule in rules])).select(*KEY)
    missing = timed.join(scores, on=KEY, how="anti", maintain_order="left", nulls_equal=True).with_columns(
        pl.lit(0.0).alias("score"), pl.lit(time).alias("time"), pl.lit(None).alias("onset")
    )
    return pl.concat([frame.select(pl.col(name).cast(dtype) for name, dtype in SCORES.items())
                      for frame in (scores, missing)])  # fmt: skip


def stands(score: _Column, elapsed_s: _Column, on_delay_s: _Column) -> _Column:
    """Return where a condition stands, given for how long (s) the score has been on its side of the limit."""
    return (score >= LIMIT) & (elapsed_s >= on_delay_s)  # type: ignore[return-value]


def has_cleared(score: _Column, elapsed_s: _Column, off_delay_s: _Column, deadband: _Column) -> _Column:
    """Return where a condition has cleared; between deadband and limit it neither stands nor clears."""
    return (score < deadband) & (score < LIMIT) & (elapsed_s >= off_delay_s)  # type: ignore[return-value]


def hold(
    timers: pl.DataFrame, scores: pl.DataFrame, rules: Rules, now: int | None = None
) -> tuple[pl.DataFrame, Conditions]:
    """Advance the timers (`TIMERS`) by scores (`SCORES`); return them and the conditions that stand or have cleared.

    `rules` are those of the scores. Delays run on each subject's therapy time, or on `now` (wall ms) if it is given.
    Timers without a score, or with an unknown one, stay as they are.
    """
    if scores.is_empty():
        return timers, no_conditions()
    known = timers.rename({"onset": "began"})
    rows = (
        scores.join(known, on=KEY, how="left", maintain_order="left", nulls_equal=True)
        .join(_delays(rules), on="rule", how="left", maintain_order="left")
        .with_columns(
            (pl.col("time") if now is None else pl.lit(now)).alias("clock"),
            (pl.col("score") >= LIMIT).alias("high"),
        )
    )
    crossed = (pl.col("high") != pl.col("above").fill_null(value=False)).fill_null(value=False)
    starts = pl.coalesce("onset", "time")
    within = (pl.col("score") >= pl.col("deadband")) & ~pl.col("high") & pl.col("restarts")
    rows = rows.with_columns(
        pl.when(pl.col("high").is_null())
        .then("since")
        .when(within)
        .then(None)
        .when(~crossed)
        .then(pl.coalesce("since", "clock"))
        .when(pl.col("high") & pl.lit(now is None))
        .then(starts)
        .otherwise("clock")
        .alias("since"),
        pl.when(crossed & pl.col("high")).then(starts).otherwise("began").alias("onset"),
        pl.coalesce("high", "above").alias("above"),
    )
    # An onset may lie ahead of the clock: it is rounded to seconds, and a pump's own clock may run fast.
    elapsed_s = ((pl.col("clock") - pl.col("since")) / MS_PER_S).clip(0.0)
    rows = rows.with_columns(
        stands(pl.col("score"), elapsed_s, pl.col("on_delay_s")).fill_null(value=False).alias("stands"),
        has_cleared(pl.col("score"), elapsed_s, pl.col("off_delay_s"), pl.col("deadband"))
        .fill_null(value=False)
        .alias("clears")
        & pl.col("standing").fill_null(value=False),
    ).with_columns(
        ((pl.col("standing").fill_null(value=False) | pl.col("stands")) & ~pl.col("clears")).alias("standing")
    )
    kept = timers.join(scores.select(*KEY), on=KEY, how="anti", maintain_order="left", nulls_equal=True)
    running = rows.filter((pl.col("above") | pl.col("standing")).fill_null(value=False)).select(*TIMERS)
    cleared = rows.filter("clears").with_columns(pl.col("time").alias("onset"))
    return pl.concat([kept, running]), Conditions(_conditions(rows.filter("stands")), _conditions(cleared))


def conditions_of_pumps(rows: pl.DataFrame, alarms: pl.DataFrame, rules: Rules = RULES) -> Conditions:
    """Return the conditions of pumps whose windows were just scored: `rows` of the state with `pump`, open `alarms`."""
    if rows.height == 0:
        return no_conditions()
    scored = [rule for rule in rules if is_scored_by(rule, "sample")]
    if any(rule.deadband_restarts_off_delay for rule in scored):
        raise ValueError("the columns of the state cannot restart an off-delay within the deadband")
    hot = rows.filter(pl.any_horizontal(pl.col(score_name(rule)) >= LIMIT for rule in scored))
    score, elapsed_s = _matrix(hot, scored, score_name), _matrix(hot, scored, in_state_name)
    standing = stands(score, elapsed_s, np.array([rule.on_delay_s for rule in scored]))
    alarmed_rules = set(alarms["rule"].unique())
    open_rules = [rule for rule in scored if rule.name in alarmed_rules]
    alarmed = rows.filter(pl.col("pump").is_in(alarms["pump"].implode())) if open_rules else rows.clear()
    score_now, elapsed_now_s = _matrix(alarmed, open_rules, score_name), _matrix(alarmed, open_rules, in_state_name)
    cleared = has_cleared(
        score_now,
        elapsed_now_s,
        np.array([rule.off_delay_s for rule in open_rules]),
        np.array([rule.deadband for rule in open_rules]),
    )
    return Conditions(
        _of_pumps(hot, scored, standing, score, elapsed_s),
        _of_pumps(alarmed, open_rules, cleared, score_now, elapsed_now_s),
    )


def shift(timers: pl.DataFrame, rules: Rules, step_ms: int) -> pl.DataFrame:
    """Return the timers after the clock that these rules' delays run on was set by `step_ms`."""
    concerned = pl.col("rule").is_in([rule.name for rule in rules])
    return timers.with_columns(pl.when(concerned).then(pl.col("since") + step_ms).otherwise("since").alias("since"))


@cache
def _delays(rules: Rules) -> pl.DataFrame:
    rows = [
        (rule.name, rule.on_delay_s, rule.off_delay_s, rule.deadband, rule.deadband_restarts_off_delay)
        for rule in rules
    ]
    delays = dict.fromkeys(("on_delay_s", "off_delay_s", "deadband"), pl.Float64)
    schema = {"rule": pl.String, **delays, "restarts": pl.Boolean}
    return pl.DataFrame(rows, schema, orient="row")


def _conditions(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in CONDITIONS.items())


def _matrix(rows: pl.DataFrame, rules: list[Rule], column: Callable[[Rule], str]) -> npt.NDArray[np.float64]:
    """Return one column of each rule, of shape (pumps, rules)."""
    if rows.height == 0 or not rules:
        return np.empty((rows.height, len(rules)))
    return rows.select(column(rule) for rule in rules).to_numpy().astype(np.float64)


def _of_pumps(
    rows: pl.DataFrame,
    rules: list[Rule],
    holds: npt.NDArray[np.float64],
    score: npt.NDArray[np.float64],
    elapsed_s: npt.NDArray[np.float64],
) -> pl.DataFrame:
    """Return a row (`CONDITIONS`) for each pump and rule for which `holds` is true, rule by rule."""
    rule, row = np.nonzero(holds.T)
    if len(row) == 0:
        return _NO_CONDITIONS
    pumps = rows.select("pump", "time")[row]
    since_ms = (elapsed_s[row, rule] * MS_PER_S).astype(np.int64)
    names = pl.Series("rule", [each.name for each in rules], dtype=pl.String)
    found = pumps.with_columns(
        *_OTHER_SUBJECTS,
        names.gather(rule),
        (pumps["time"] - pl.Series(since_ms)).alias("onset"),
        pl.Series("score", score[row, rule], dtype=pl.Float32),
    )
    return _conditions(found)
