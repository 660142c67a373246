"""This file judges windows that have ended: what detectors say of all their pumps at once, and what becomes of it.

What detectors say is one Polars plan. Polars takes longer to understand a plan than to compute it for some thousand
pumps, and some operations take far longer than others; so what all detectors share (how an average forgets, which flags
are set) is computed once, and what becomes of a score or a memory is done column by column outside of the plan, where
most columns need nothing but a look. The measurements are in docs/adr/0012.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.detectors import forgetting, time_constant_s
from processor.detectors.flag import flag_set
from processor.engine import windows
from processor.engine.columns import MS_PER_S, Rules, held_name, memory_of, memory_start, score_name
from processor.rules import Rule

MAX_SCORE: Final = 1000.0
AS_WRITTEN: Final = pl.QueryOptFlags.none()
"""Looking for what could be computed in a better way takes longer than it saves where the plan is written for it."""
SEEN: Final = ("time", "seq", "boot", "program", "missed", "stale", "resent")
"""What detectors see of a window's end as it stands in the state."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What a set of rules asks of a window, in the order of its computation."""

    tau_s: tuple[float, ...]
    """Time constants of the averages that they keep."""
    stages: tuple[tuple[pl.Expr, ...], ...]
    """What they derive, stage by stage, each from the ones before; and last what they say."""
    memories: tuple[str, ...]
    judged: tuple[Rule, ...]


def judge(rows: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the rows, whose windows end, with scores and memories after them and windows that have just begun.

    What is unknown, of a score or a memory, stays as it was.
    """
    plan = _plan(rules)
    told = _tell(rows, plan)
    after = {name: _kept(told[name], rows[name]) for name in plan.memories}
    dt = told["dt"].fill_null(0.0)
    for rule in plan.judged:
        score, held = score_name(rule), held_name(rule)
        after[score] = _score(told[score], rows[score])
        after[held] = _held(rows[held] + dt, after[score], rows[score])
    silent = pl.zeros(rows.height, pl.Float32, eager=True)
    after |= {score_name(rule): silent for rule in rules if rule.detector.judges == "age"}
    after |= windows.emptied(rows.height) | {windows.CLOSED: rows["time"]}
    return replaced(rows, after)


def replaced(rows: pl.DataFrame, values: dict[str, pl.Series]) -> pl.DataFrame:
    """Return the rows with other values in the columns that are named."""
    after = rows.clone()
    for at, name in enumerate(rows.columns):
        if name in values:
            after.replace_column(at, values[name].alias(name))
    return after


def in_company(row: pl.DataFrame) -> pl.DataFrame:
    """Put a row of nulls beside a single row: Polars divides one value by a number, but many by its reciprocal.

    Their last bit differs, and a pump alone must be judged exactly as among many. Two equal rows count as one value.
    """
    return pl.concat([row, _nothing(tuple(row.schema.items()))], rechunk=True)


@cache
def _nothing(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(columns)).clear(1)


def _tell(rows: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Return what detectors say, under the names of their scores and memories, and `dt`."""
    dt_s = _elapsed_s(rows)
    frame = pl.DataFrame(
        [
            *(rows[name] for name in (*plan.memories, *SEEN, *windows.SUMS)),
            *windows.means(rows),
            *_weights(dt_s, plan),
            pl.Series("dt", dt_s, nan_to_null=True),
        ]
    )
    lazy = (in_company(frame) if frame.height == 1 else frame).lazy()
    for stage in plan.stages[:-1]:
        lazy = lazy.with_columns(stage)
    return lazy.select("dt", *plan.stages[-1]).collect(engine="in-memory", optimizations=AS_WRITTEN).head(frame.height)


def _elapsed_s(rows: pl.DataFrame) -> Floats:
    """Return the time since the window before ended, NaN where there was none."""
    elapsed_ms = rows["time"].to_numpy() - rows[windows.CLOSED].to_numpy()
    # Divided as float64: as float32 an hour becomes 3600.0002 s, which is more than an hour.
    seconds: npt.NDArray[np.float64] = elapsed_ms.astype(np.float64) / MS_PER_S
    return seconds.astype(np.float32)


def _weights(dt_s: Floats, plan: Plan) -> list[pl.Series]:
    """Return the columns of `forgetting` that detectors look at. NumPy's exponential is ten times as fast."""
    passed_s = np.nan_to_num(dt_s)
    return [pl.Series(forgetting(tau_s).meta.output_name(), _weight(passed_s, tau_s)) for tau_s in plan.tau_s]


def _weight(passed_s: Floats, tau_s: float) -> Floats:
    weight = passed_s / np.float32(-tau_s)
    np.exp(weight, out=weight)
    np.subtract(np.float32(1.0), weight, out=weight)
    return weight


def _kept(told: pl.Series, was: pl.Series) -> pl.Series:
    """Return what is known after the window: what was told, and where that is unknown, what was known before."""
    if told.null_count() == 0 and not np.isnan(told.to_numpy().min()):
        return told
    told = told.fill_nan(None)
    return told.zip_with(told.is_not_null(), was)


def _score(told: pl.Series, was: pl.Series) -> pl.Series:
    score = _kept(told, was)
    values = score.to_numpy()
    if values.min() >= 0.0 and values.max() <= MAX_SCORE:
        return score
    return pl.Series(score.name, values.clip(0.0, MAX_SCORE))


def _held(held: pl.Series, score: pl.Series, was: pl.Series) -> pl.Series:
    """Return for how long each score has been on its side of the limit: `held`, but 0 where it has just crossed it."""
    crossed = np.flatnonzero((score.to_numpy() >= 1.0) != (was.to_numpy() >= 1.0))
    return held.scatter(crossed, 0.0) if len(crossed) else held


@cache
def _plan(rules: Rules) -> Plan:
    families = {rule.detector.family or rule.name: rule for rule in rules}
    derived: list[list[pl.Expr]] = []
    said: list[pl.Expr] = []
    for rule in families.values():
        memory = memory_of(rule)
        for depth, stage in enumerate(rule.detector.derive(memory)):
            derived += [[]] * (depth + 1 - len(derived))
            derived[depth] = derived[depth] + [_named(value, memory(name)) for name, value in stage.items()]
        said += [_named(value.cast(pl.Float32), memory(name)) for name, value in rule.detector.learn(memory).items()]
    judged = tuple(rule for rule in rules if rule.detector.judges == "sample")
    said += [rule.detector.score(memory_of(rule)).cast(pl.Float32).alias(score_name(rule)) for rule in judged]
    looked_at = sorted({name for value in (*chain(*derived), *said) for name in value.meta.root_names()})
    flags = [flag_set(name) for name in looked_at]
    return Plan(
        tau_s=tuple(tau_s for name in looked_at if (tau_s := time_constant_s(name)) is not None),
        stages=((*windows.changes(), *(flag for flag in flags if flag is not None)), *map(tuple, derived), tuple(said)),
        memories=tuple(memory_start(rules)),
        judged=judged,
    )


def _named(value: pl.Expr, column: pl.Expr) -> pl.Expr:
    return value.alias(column.meta.output_name())
