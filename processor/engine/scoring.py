"""Scores windows that have ended, for all pumps at once, and updates scores and memories.

All detectors are one Polars plan. Polars takes longer to plan a query than to compute it for a few thousand pumps, and
some operations take far longer than others. So terms that detectors share (forgetting factors, decoded flags) are
computed once, and scores and memories are updated column by column outside the plan, where most columns need no more
than a check. Measurements are in docs/adr/0012.
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
from processor.engine.columns import (
    MS_PER_S,
    Rules,
    detector_of,
    in_state_name,
    is_scored_by,
    memory_of,
    memory_start,
    score_name,
)
from processor.engine.placement import replaced
from processor.rules import Rule

MAX_SCORE: Final = 1000.0
AS_WRITTEN: Final = pl.QueryOptFlags.none()
"""Optimizing the plan takes longer than it saves, because it is written in the order of computation."""
END_OF_WINDOW: Final = ("time", "seq", "boot", "program", "missed", "stale", "resent")
"""State columns that detectors see as of the end of the window."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What a set of rules computes from a window, in order."""

    tau_s: tuple[float, ...]
    """Time constants of their averages."""
    stages: tuple[tuple[pl.Expr, ...], ...]
    """Derived values, stage by stage, each from the ones before; the last stage has scores and memories."""
    memories: tuple[str, ...]
    judged: tuple[Rule, ...]


def judge(rows: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the rows, whose windows have ended, with new scores, memories and empty windows.

    An unknown score or memory keeps its previous value.
    """
    plan = plan_of(rules)
    computed = _compute(rows, plan)
    after = {name: _kept(computed[name], rows[name]) for name in plan.memories}
    dt = computed["dt"].fill_null(0.0)
    for rule in plan.judged:
        score, in_state = score_name(rule), in_state_name(rule)
        after[score] = _score(computed[score], rows[score])
        after[in_state] = _in_state_s(rows[in_state] + dt, after[score], rows[score])
    silent = pl.zeros(rows.height, pl.Float32, eager=True)
    after |= {score_name(rule): silent for rule in rules if is_scored_by(rule, "age")}
    after |= windows.emptied(rows.height) | {windows.CLOSED: rows["time"]}
    if rows[windows.CLOCK_FAULTS].to_numpy().any():
        after[windows.CLOCK_FAULTS] = silent
    return replaced(rows, after)


def in_company(row: pl.DataFrame) -> pl.DataFrame:
    """Append a row of nulls to a single row: Polars divides a single value, but multiplies many by the reciprocal.

    The last bit differs, and a pump alone must get exactly the same score as among many.
    """
    return pl.concat([row, _null_row(tuple(row.schema.items()))], rechunk=True)


@cache
def _null_row(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(columns)).clear(1)


def inputs_of(rows: pl.DataFrame, plan: Plan) -> list[pl.Series]:
    """Return what detectors see of windows that end besides their memories; `rows` are those of the state."""
    dt_s = _elapsed_s(rows)
    return [
        *(rows[name] for name in (*END_OF_WINDOW, *windows.SUMS)),
        *windows.means(rows),
        rows[windows.CLOCK_FAULTS].alias("clock_faults"),
        *_weights(dt_s, plan),
        pl.Series("dt", dt_s, nan_to_null=True),
    ]


def _compute(rows: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Return raw scores and memories under the names of their columns, and `dt`."""
    frame = pl.DataFrame([*(rows[name] for name in plan.memories), *inputs_of(rows, plan)])
    lazy = (in_company(frame) if frame.height == 1 else frame).lazy()
    for stage in plan.stages[:-1]:
        lazy = lazy.with_columns(stage)
    return lazy.select("dt", *plan.stages[-1]).collect(engine="in-memory", optimizations=AS_WRITTEN).head(frame.height)


def _elapsed_s(rows: pl.DataFrame) -> Floats:
    """Return the time since the previous window ended, NaN if there was none."""
    elapsed_ms = rows["time"].to_numpy() - rows[windows.CLOSED].to_numpy()
    # Divided as Float64: in Float32 an hour becomes 3600.0002 s, which is more than an hour.
    seconds: npt.NDArray[np.float64] = elapsed_ms.astype(np.float64) / MS_PER_S
    return seconds.astype(np.float32)


def _weights(dt_s: Floats, plan: Plan) -> list[pl.Series]:
    """Return the `forgetting` columns that detectors use; NumPy's exponential is ten times as fast as Polars'."""
    passed_s = np.nan_to_num(dt_s)
    return [pl.Series(forgetting(tau_s).meta.output_name(), _weight(passed_s, tau_s)) for tau_s in plan.tau_s]


def _weight(passed_s: Floats, tau_s: float) -> Floats:
    weight = passed_s / np.float32(-tau_s)
    np.exp(weight, out=weight)
    np.subtract(np.float32(1.0), weight, out=weight)
    return weight


def _kept(new: pl.Series, old: pl.Series) -> pl.Series:
    """Return the new values, and the old ones where the new are unknown."""
    if new.null_count() == 0 and not np.isnan(new.to_numpy().min()):
        return new
    values = new.to_numpy()
    # Both have NaN where a value is unknown. Filling them in Polars takes longer than the detectors did.
    return pl.Series(new.name, np.where(np.isnan(values), old.to_numpy(), values), nan_to_null=True)


def _score(new: pl.Series, old: pl.Series) -> pl.Series:
    score = _kept(new, old)
    values = score.to_numpy()
    if values.min() >= 0.0 and values.max() <= MAX_SCORE:
        return score
    return pl.Series(score.name, values.clip(0.0, MAX_SCORE))


def _in_state_s(in_state_s: pl.Series, score: pl.Series, old_score: pl.Series) -> pl.Series:
    """Return the time since each score crossed its limit: `in_state_s`, but 0 where it has just crossed it."""
    crossed = np.flatnonzero((score.to_numpy() >= 1.0) != (old_score.to_numpy() >= 1.0))
    return in_state_s.scatter(crossed, 0.0) if len(crossed) else in_state_s


@cache
def plan_of(rules: Rules) -> Plan:
    """Return what these rules compute from a window."""
    families = {detector_of(rule).family or rule.name: rule for rule in rules}
    derived: list[list[pl.Expr]] = []
    results: list[pl.Expr] = []
    for rule in families.values():
        memory = memory_of(rule)
        for depth, stage in enumerate(detector_of(rule).derive(memory)):
            derived += [[]] * (depth + 1 - len(derived))
            derived[depth] = derived[depth] + [_named(value, memory(name)) for name, value in stage.items()]
        results += [
            _named(value.cast(pl.Float32), memory(name)) for name, value in detector_of(rule).learn(memory).items()
        ]
    judged = tuple(rule for rule in rules if is_scored_by(rule, "sample"))
    results += [detector_of(rule).score(memory_of(rule)).cast(pl.Float32).alias(score_name(rule)) for rule in judged]
    used = sorted({name for value in (*chain(*derived), *results) for name in value.meta.root_names()})
    flags = [flag_set(name) for name in used]
    return Plan(
        tau_s=tuple(tau_s for name in used if (tau_s := time_constant_s(name)) is not None),
        stages=(
            (*windows.changes(), *(flag for flag in flags if flag is not None)),
            *map(tuple, derived),
            tuple(results),
        ),
        memories=tuple(memory_start(rules)),
        judged=judged,
    )


def _named(value: pl.Expr, column: pl.Expr) -> pl.Expr:
    return value.alias(column.meta.output_name())
