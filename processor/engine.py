"""This file is the engine: one frame of state with a row a pump, stepped by waves of samples. It is pure.

Pumps are dense numbers here, their row in the state. A wave holds each pump at most once; `waves` splits a batch
into them in order of arrival, so that a batch and its samples one by one lead to the same state exactly. A sample
that is not newer than what its pump has said before is counted and otherwise ignored, so that repeats and late
replays change nothing. Samples are gathered into windows of each pump's own time, and rules judge those that end.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

import polars as pl

from broker.signals import SIGNAL_NAMES
from processor import window
from processor.detectors import Memory
from processor.rules import RULES, Rule

REPORTED: Final = ("time", "seq", "boot", "program", "flags")
COUNTERS: Final = ("samples", "missed", "stale")
LATE: Final = "late"
"""Of the stale ones those that filled a gap: kept here, counted by `processor.sequence`."""
HIGHEST_SCORE: Final = 1000.0
MS_PER_S: Final = 1000.0
AS_WRITTEN: Final = pl.QueryOptFlags(comm_subexpr_elim=False)
"""Looking for what is computed twice takes longer than it saves where nothing is."""
SAID: Final = ".said"
WAS: Final = ".was"

Rules = tuple[Rule, ...]


def score_name(rule: Rule) -> str:
    """Return the column of a rule's score."""
    return rule.name


def held_name(rule: Rule) -> str:
    """Return the column that says for how long (s) the rule has been violated, or not, without a change."""
    return f"{rule.name}.held"


def memory_of(rule: Rule) -> Memory:
    """Return the accessor by which a rule's detector reaches its memory columns: its own, or its family's."""
    owner = rule.detector.family or rule.name
    return lambda name: pl.col(f"{owner}.memory.{name}")


def memory_start(rules: Rules) -> dict[str, float | None]:
    """Return every memory column with its start value; what a family shares is there once."""
    return {
        f"{rule.detector.family or rule.name}.memory.{name}": start
        for rule in rules
        for name, start in rule.detector.memory.items()
    }


def schema(rules: Rules = RULES) -> dict[str, pl.DataType]:
    """Return the columns of the state frame: last known values, counters, scores, how long, and memories."""
    return {
        **{name: pl.Int64() for name in (*REPORTED, *COUNTERS, LATE)},
        **{name: pl.Float32() for name in SIGNAL_NAMES},
        **window.SCHEMA,
        **{name(rule): pl.Float32() for rule in rules for name in (score_name, held_name)},
        **{name: pl.Float32() for name in memory_start(rules)},
    }


def new_state(pumps: int, rules: Rules = RULES) -> pl.DataFrame:
    """Return the state of pumps nobody has heard yet: values unknown (null), counters and scores 0."""
    start: dict[str, float | int | None] = {
        **dict.fromkeys((*COUNTERS, LATE), 0),
        **window.EMPTY,
        **{name(rule): 0.0 for rule in rules for name in (score_name, held_name)},
        **memory_start(rules),
    }
    columns = [pl.lit(start.get(name), dtype=dtype).alias(name) for name, dtype in schema(rules).items()]
    rows = pl.DataFrame({"row": pl.zeros(pumps, dtype=pl.UInt8, eager=True)})
    return rows.with_columns(columns).drop("row")


def grow(state: pl.DataFrame, pumps: int, rules: Rules = RULES) -> pl.DataFrame:
    """Return the state with rows for `pumps` pumps, the new ones as in `new_state`."""
    more = pumps - state.height
    return state if more <= 0 else pl.concat([state, new_state(more, rules)], rechunk=True)


def waves(batch: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Split a batch (with `pump` as row numbers) into waves in order of arrival."""
    if batch.height == 0:
        return
    if batch["pump"].n_unique() == batch.height:
        yield batch
        return
    turn = pl.int_range(pl.len()).over("pump").alias("turn")
    yield from batch.with_columns(turn).partition_by("turn", maintain_order=True, include_key=False)


def step(
    state: pl.DataFrame, wave: pl.DataFrame, rules: Rules = RULES, window_s: float = window.WINDOW_S
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take one wave into the state; return the new state and the rows that were judged (with `pump`, for the alarms).

    `wave` has `pump` (UInt32 row in the state, each once), `REPORTED` and the signals; what is null is unknown and
    leaves scores and memories as they are. Pumps whose window ends with this sample are judged; the others only
    gather.
    """
    whole = _covers(state, wave)
    before = state if whole else state[wave["pump"]]
    newer = _newer(before, wave)
    if not newer.all():
        state = _count_stale(state, wave.filter(~newer))
        wave = wave.filter(newer)
        if wave.height == 0:
            return state, _nobody(state)
        whole, before = False, state[wave["pump"]]
    after = _gather(before, wave, rules)
    ends = _ends(after, window_s)
    names = [name for name in after.columns if name in _GATHERED]
    judged = _nobody(state)
    if ends.any():
        ready = after if ends.all() else after.filter(ends)
        ready = _judge(ready, rules)
        judged = ready.with_columns(wave["pump"].filter(ends))
        after = ready if ends.all() else _scatter(after, ends.arg_true(), ready)
        names = after.columns
    return (after if whole else _scatter(state, wave["pump"], after.select(names))), judged


def _ends(rows: pl.DataFrame, window_s: float) -> pl.Series:
    """Tell whose window ends: all windows lie on one grid of therapy time, so that most pumps are judged together."""
    if window_s == 0:
        return pl.repeat(value=True, n=rows.height, eager=True)
    length = round(window_s * MS_PER_S)
    return ((rows["time"] // length) != (rows[window.CLOSED] // length)).fill_null(value=True)


def _nobody(state: pl.DataFrame) -> pl.DataFrame:
    return state.clear().with_columns(pl.lit(None, pl.UInt32).alias("pump"))


def with_ages(state: pl.DataFrame, age_s: pl.Series, rules: Rules = RULES) -> pl.DataFrame:
    """Return the state with the scores of silence judged at this instant; `age_s` is Float32, null where unknown."""
    if state.height == 1:
        return with_ages(_in_company(state), age_s.extend_constant(None, 1), rules).head(1)
    judged = [rule for rule in rules if rule.detector.judges == "age"]
    frame = state.with_columns(age_s.alias("age"))
    return frame.with_columns(_score(rule).fill_null(0.0).alias(score_name(rule)) for rule in judged).drop("age")


def _covers(state: pl.DataFrame, wave: pl.DataFrame) -> bool:
    pump = wave["pump"]
    return wave.height == state.height and bool((pump == pl.int_range(wave.height, eager=True)).all())


def _newer(before: pl.DataFrame, wave: pl.DataFrame) -> pl.Series:
    last_boot = before["boot"].fill_null(0)
    boot = wave["boot"].zip_with(wave["boot"].is_not_null(), last_boot)
    later = (wave["time"] > before["time"]).fill_null(value=True)
    return (boot > last_boot) | ((boot == last_boot) & later)


def _count_stale(state: pl.DataFrame, ignored: pl.DataFrame) -> pl.DataFrame:
    rows = ignored["pump"]
    return state.with_columns(state["stale"].clone().scatter(rows, state["stale"][rows] + 1))


def _scatter(state: pl.DataFrame, rows: pl.Series, values: pl.DataFrame) -> pl.DataFrame:
    return state.with_columns(state[name].clone().scatter(rows, values[name]) for name in values.columns)


def _gather(before: pl.DataFrame, wave: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the rows with what the wave says of them, and their windows with it."""
    if wave.height == 1:
        return _gather(_in_company(before), _in_company(wave), rules).head(1)
    restarted = (wave["time"] <= before["time"]).fill_null(value=False)
    if restarted.any():
        before = _begin_anew(before, restarted, rules)
    said = wave.select(*REPORTED, *SIGNAL_NAMES)
    was = before.select(pl.col(name).alias(f"was.{name}") for name in (*REPORTED, *COUNTERS, *SIGNAL_NAMES))
    frame = pl.concat([said, was, before.select(*window.SCHEMA)], how="horizontal")
    fresh = (before[window.COUNT] == 0.0).all()
    plan = _BEGIN if fresh else _GATHER
    told = frame.lazy().with_columns(plan).select(*_GATHERED).collect(engine="in-memory")
    return before.with_columns(told.get_columns())


def _judge(rows: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the rows whose window ends with scores and memories after it, and a window that has just begun."""
    if rows.height == 1:
        return _judge(_in_company(rows), rules).head(1)
    # Divided as float64: as float32 an hour becomes 3600.0002 s, which is more than an hour.
    elapsed = (pl.col("time") - pl.col(window.CLOSED)).cast(pl.Float64) / MS_PER_S
    frame = rows.lazy().select(
        *memory_start(rules),
        *(name(rule) for rule in rules for name in (score_name, held_name)),
        *(name for name in (*REPORTED, *COUNTERS) if name != "flags"),
        elapsed.cast(pl.Float32).alias("dt"),
        *window.seen(),
    )
    for stage in _stages(rules):
        frame = frame.with_columns(stage)
    scored = frame.select(*_judged(rules)).collect(engine="in-memory", optimizations=AS_WRITTEN)
    emptied = [pl.lit(value, window.SCHEMA[name]).alias(name) for name, value in window.EMPTY.items()]
    return rows.with_columns(*scored.get_columns(), *emptied, pl.col("time").alias(window.CLOSED))


def _begin_anew(rows: pl.DataFrame, restarted: pl.Series, rules: Rules) -> pl.DataFrame:
    """Forget what was learned about pumps whose clock went back with a new boot: it is another life."""
    start = {**memory_start(rules), **window.EMPTY, window.CLOSED: None}
    dtypes = schema(rules)
    return rows.with_columns(
        pl.when(~restarted).then(pl.col(name)).otherwise(pl.lit(value, dtypes[name])).alias(name)
        for name, value in start.items()
    )


def _in_company(row: pl.DataFrame) -> pl.DataFrame:
    """Put a row of nulls beside a single row: Polars divides one value by a number, but many by its reciprocal.

    Their last bit differs, and a pump alone must be judged exactly as among many. Two equal rows count as one value.
    """
    return pl.concat([row, _nothing(tuple(row.schema.items()))], rechunk=True)


@cache
def _nothing(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(columns)).clear(1)


def _judged(rules: Rules) -> list[str]:
    held = [held_name(rule) for rule in rules if rule.detector.judges == "sample"]
    return [*memory_start(rules), *(score_name(rule) for rule in rules), *held]


@cache
def _stages(rules: Rules) -> tuple[tuple[pl.Expr, ...], ...]:
    """Return how a window is judged, stage by stage: what detectors derive, what they say, what becomes of it.

    Polars takes longer to understand a large expression than to compute it, so what is used twice is a column first.
    What a family learns is there once. What is unknown, of a score or a memory, stays as it was.
    """
    families = {rule.detector.family or rule.name: rule for rule in rules}
    derived: list[list[pl.Expr]] = []
    said: list[pl.Expr] = []
    kept: list[pl.Expr] = []
    for rule in families.values():
        memory = memory_of(rule)
        for depth, stage in enumerate(rule.detector.derive(memory)):
            derived += [[]] * (depth + 1 - len(derived))
            derived[depth] = derived[depth] + [_named(value, memory(name)) for name, value in stage.items()]
        for name, value in rule.detector.learn(memory).items():
            said.append(_named(value.cast(pl.Float32), memory(name), SAID))
            kept.append(_named(pl.coalesce(_told(memory(name)), memory(name)), memory(name)))
    judged = [rule for rule in rules if rule.detector.judges == "sample"]
    for rule in judged:
        score = pl.col(score_name(rule))
        said.append(_named(rule.detector.score(memory_of(rule)).cast(pl.Float32), score, SAID))
        kept += [_named(pl.coalesce(_told(score).clip(0.0, HIGHEST_SCORE), score), score), _named(score, score, WAS)]
    silent = [pl.lit(0.0, pl.Float32).alias(score_name(rule)) for rule in rules if rule.detector.judges == "age"]
    return (*(tuple(stage) for stage in derived), tuple(said), (*kept, *silent), tuple(_held(rule) for rule in judged))


def _named(value: pl.Expr, column: pl.Expr, suffix: str = "") -> pl.Expr:
    return value.alias(column.meta.output_name() + suffix)


def _told(column: pl.Expr) -> pl.Expr:
    """Return what a detector said for a column, null where it does not know."""
    return pl.col(column.meta.output_name() + SAID).fill_nan(None)


def _held(rule: Rule) -> pl.Expr:
    score, was = pl.col(score_name(rule)), pl.col(score_name(rule) + WAS)
    unchanged = (score >= 1.0) == (was >= 1.0)
    held = pl.col(held_name(rule))
    return (
        pl.when(unchanged)
        .then(held + pl.col("dt").fill_null(0.0))
        .otherwise(0.0)
        .cast(pl.Float32)
        .alias(held_name(rule))
    )


def _counters() -> list[pl.Expr]:
    boot = pl.coalesce("boot", "was.boot", 0)
    skipped = pl.when(boot == pl.col("was.boot")).then(pl.col("seq") - pl.col("was.seq") - 1).otherwise(0)
    return [
        boot.alias("boot"),
        (pl.col("was.samples") + 1).alias("samples"),
        (pl.col("was.missed") + skipped.fill_null(0).clip(0)).alias("missed"),
        pl.col("was.stale").alias("stale"),
    ]


_GATHER: Final = (*_counters(), *window.gather())
_BEGIN: Final = (*_counters(), *window.begin())
_GATHERED: Final = (*REPORTED, *COUNTERS, *SIGNAL_NAMES, *(name for name in window.SCHEMA if name != window.CLOSED))


def _score(rule: Rule) -> pl.Expr:
    return rule.detector.score(memory_of(rule)).cast(pl.Float32).fill_nan(None).clip(0.0, HIGHEST_SCORE)
