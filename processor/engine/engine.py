"""The engine: a pure step from one state of the fleet, a frame with a row per pump, to the next by a wave of samples.

Pumps are dense numbers here: their row in the state. A wave holds each pump at most once; `processor.engine.waves`
splits a batch into waves in order of arrival, so that a batch and its samples one by one lead to exactly the same
state. A sample that is not newer than the last one of its pump is counted and otherwise ignored, so that duplicates and
late samples change nothing. Samples are gathered into windows of each pump's own time, and rules judge the windows that
end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from processor.engine import epochs, sequence, windows
from processor.engine.columns import (
    MS_PER_S,
    Rules,
    detector_of,
    in_state_name,
    is_scored_by,
    memory_of,
    memory_start,
    score_name,
    select,
)
from processor.engine.placement import Places, ascending, joined, replaced
from processor.engine.scoring import AS_WRITTEN, MAX_SCORE, in_company, judge
from processor.engine.sequence import LATE, NO_GAPS, NONE_SKIPPED, REDELIVERED, Gaps
from processor.rules import RULES, Rule

REPORTED: Final = ("time", "seq", "boot", "program", "flags")
COUNTERS: Final = ("samples", "missed", "stale")
MIN_INTERVAL_MS: Final = 100
MAX_SKIPPED: Final = 1_000
"""A pump samples at most this often; a gap in its sequence numbers may be this much longer than follows from its clock.
Modeling choices."""


@dataclass(frozen=True)
class StepResult:
    """What a wave did: the next `state` and `gaps`, the windows that were judged, and the samples that were not taken.

    `judged` has the rows of the state (with `pump`) whose windows ended. `stale` has the samples of the wave that were
    ignored because their pump had sent a newer one; `late` are those of them that filled a gap, `redelivered` those in
    messages that their gateway redelivered. `skipped` has the gaps (`sequence.SCHEMA`) that the wave opened. All four
    are normally empty, and then cost nothing.
    """

    state: pl.DataFrame
    judged: pl.DataFrame
    gaps: Gaps
    stale: pl.DataFrame
    late: pl.DataFrame
    redelivered: pl.DataFrame
    skipped: pl.DataFrame


def schema(rules: Rules = RULES) -> dict[str, pl.DataType]:
    """Return the columns of the state frame: last known values, counters, scores, how long, and memories."""
    return {
        **{name: pl.Int64() for name in (*REPORTED, *COUNTERS, LATE, REDELIVERED)},
        **{name: pl.Float32() for name in SIGNAL_NAMES},
        **windows.SCHEMA,
        windows.CLOCK_FAULTS: pl.Float32(),
        **epochs.SCHEMA,
        **{name(rule): pl.Float32() for rule in rules for name in (score_name, in_state_name)},
        **{name: pl.Float32() for name in memory_start(rules)},
    }


def new_state(pumps: int, rules: Rules = RULES) -> pl.DataFrame:
    """Return the state of pumps nobody has heard yet: values unknown (null), counters and scores 0."""
    start = _new_pump(rules)
    return pl.DataFrame([column.new_from_index(0, pumps) for column in start.get_columns()])


@cache
def _new_pump(rules: Rules) -> pl.DataFrame:
    """Return the state of one pump that nobody has heard yet; a plan of two hundred values takes long."""
    start: dict[str, float | int | None] = {
        **dict.fromkeys((*COUNTERS, LATE, REDELIVERED), 0),
        **windows.EMPTY,
        windows.CLOCK_FAULTS: 0.0,
        epochs.STALE_RUN: 0,
        epochs.SET_BACK: 0,
        **{name(rule): 0.0 for rule in rules for name in (score_name, in_state_name)},
        **memory_start(rules),
    }
    columns = [pl.lit(start.get(name), dtype=dtype).alias(name) for name, dtype in schema(rules).items()]
    return pl.select(columns)


def grow(state: pl.DataFrame, pumps: int, rules: Rules = RULES) -> pl.DataFrame:
    """Return the state with rows for `pumps` pumps, the new ones as in `new_state`."""
    more = pumps - state.height
    return state if more <= 0 else joined([state, new_state(more, rules)])


def step(
    state: pl.DataFrame,
    wave: pl.DataFrame,
    rules: Rules = RULES,
    window_s: float = windows.WINDOW_S,
    *,
    gaps: Gaps = NO_GAPS,
) -> StepResult:
    """Take one wave into the state; `gaps` are those that earlier waves left open.

    `wave` has `pump` (UInt32 row in the state, each once), `REPORTED`, the signals and `REDELIVERED`; null means
    unknown and leaves scores and memories as they are. Pumps whose window ends with this sample are judged; the others
    only gather.
    """
    wave = ascending(wave)
    places, before = _before(state, wave)
    newer = _newer(before, wave)
    stale = late = redelivered = wave.head(0)
    if not newer.all():
        begun = epochs.begins(before, wave, ~newer)
        if begun.any():
            newer, state = newer | begun, count_clock_faults(state, wave["pump"].filter(begun))
    if before[epochs.STALE_RUN].to_numpy().any():
        state = epochs.end_runs(state, wave["pump"].filter(newer))
    if not newer.all():
        stale = wave.filter(~newer)
        gaps, late = gaps.filled(stale, before["boot"].filter(~newer))
        redelivered = stale.filter(REDELIVERED)
        state = epochs.follow(_count(state, {"stale": stale, LATE: late, REDELIVERED: redelivered}), stale)
        wave = wave.filter(newer)
        if wave.height == 0:
            return StepResult(state, _nobody(state), gaps, stale, late, redelivered, NONE_SKIPPED)
        places, before = _before(state, wave)
    restarted = _no_later(before, wave)
    if restarted.any():
        state = _begin_anew(state, wave, before, restarted, rules)
        places, before = _before(state, wave)
    gathered = gather(before, wave)
    skipped = sequence.skipped(before, gathered, wave["pump"])
    state, judged = _judge_windows(state, places, gathered, rules, window_s)
    return StepResult(state, judged, gaps.opened(skipped), stale, late, redelivered, skipped)


def _before(state: pl.DataFrame, wave: pl.DataFrame) -> tuple[Places, pl.DataFrame]:
    """Return where the wave's pumps are in the state, and their columns that change with each sample."""
    places = Places.of(wave["pump"], state.height)
    return places, places.read(state[list(_FOLLOWED)])


def _judge_windows(
    state: pl.DataFrame, places: Places, gathered: pl.DataFrame, rules: Rules, window_s: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write what the wave's pumps gathered, judge those whose windows end; return the state and the rows judged."""
    ends = _ends(gathered, window_s)
    if not ends.any():
        return places.write(state, gathered), _nobody(state)
    if ends.all():
        ready = judge(_with(places.read(state), gathered), rules)
    else:
        state = places.write(state, gathered)
        places = Places.of(places.pumps.filter(ends), state.height)
        ready = judge(places.read(state), rules)
    return places.write(state, ready), ready.with_columns(places.pumps)


def _with(rows: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    return replaced(rows, {column.name: column for column in changed.get_columns()})


def _ends(rows: pl.DataFrame, window_s: float) -> pl.Series:
    """Return whose window ends. All windows lie on one grid of therapy time, so that most pumps are judged together."""
    if window_s == 0:
        return pl.Series(np.ones(rows.height, dtype=np.bool_))
    length = round(window_s * MS_PER_S)
    # If no window has ended before, the column becomes NaN, which no number equals.
    return pl.Series(rows["time"].to_numpy() // length != rows[windows.CLOSED].to_numpy() // length)


def _nobody(state: pl.DataFrame) -> pl.DataFrame:
    return state.head(0).hstack([pl.Series("pump", dtype=pl.UInt32)])


def with_ages(state: pl.DataFrame, age_s: pl.Series, rules: Rules = RULES) -> pl.DataFrame:
    """Return the state with the scores of silence as of now; `age_s` is Float32, null if unknown."""
    if state.height == 1:
        return with_ages(in_company(state), age_s.extend_constant(None, 1), rules).head(1)
    judged = [rule for rule in rules if is_scored_by(rule, "age")]
    frame = state.with_columns(age_s.alias("age"))
    scores = select(frame, "age", *(_score(rule).fill_null(0.0).alias(score_name(rule)) for rule in judged))
    return state.with_columns(scores.drop("age").get_columns())


def count_clock_faults(state: pl.DataFrame, pumps: pl.Series) -> pl.DataFrame:
    """Return the state with one more clock fault in the present window of each of these pumps, each named once."""
    return _count(state, {windows.CLOCK_FAULTS: pumps.to_frame("pump")})


def _newer(before: pl.DataFrame, wave: pl.DataFrame) -> pl.Series:
    boot, last_boot = wave["boot"], before["boot"]
    # Only if there is something to fill: starting that takes Polars as long as comparing ten thousand pumps.
    if last_boot.null_count():
        last_boot = last_boot.fill_null(0)
    if boot.null_count():
        boot = boot.zip_with(boot.is_not_null(), last_boot)
    return (boot > last_boot) | ((boot == last_boot) & ~_no_later(before, wave))


def _no_later(before: pl.DataFrame, wave: pl.DataFrame) -> pl.Series:
    """Return whose sample is no later than the last one; false for a first sample, whose predecessor becomes NaN."""
    return pl.Series(wave["time"].to_numpy() <= before["time"].to_numpy())


def _count(state: pl.DataFrame, samples: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the state with each counter raised by one for the pumps of these samples."""
    return state.with_columns(
        state[name].clone().scatter(rows["pump"], state[name].gather(rows["pump"]) + 1)
        for name, rows in samples.items()
        if rows.height
    )


def gather(before: pl.DataFrame, wave: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that change with each sample: the wave's as the last known values, and its windows so far."""
    reported = [wave[name] for name in (*REPORTED, *SIGNAL_NAMES)]
    previous = (before[name].alias(f"was.{name}") for name in _COMPARED)
    frame = pl.DataFrame([*reported, *previous, *(before[name] for name in windows.SCHEMA)])
    plan = _BEGIN if (before[windows.COUNT] == 0.0).all() else _GATHER
    lazy = (in_company(frame) if frame.height == 1 else frame).lazy()
    gathered = lazy.select(plan).collect(engine="in-memory", optimizations=AS_WRITTEN).head(frame.height)
    kept = [column for column in reported if column.name not in gathered.columns]
    return pl.DataFrame([*kept, *gathered.get_columns(), before[windows.CLOSED]])


def _begin_anew(
    state: pl.DataFrame, wave: pl.DataFrame, before: pl.DataFrame, restarted: pl.Series, rules: Rules
) -> pl.DataFrame:
    """Forget what was learned about pumps whose clock went back with a new boot: they were reset."""
    rows = before.filter(restarted)
    back_ms = rows["time"] - wave["time"].filter(restarted) + rows[epochs.SET_BACK]
    start = {**memory_start(rules), **windows.EMPTY, windows.CLOSED: None}
    dtypes = schema(rules)
    anew = rows.select(
        *(pl.lit(value, dtypes[name]).alias(name) for name, value in start.items()), back_ms.alias(epochs.SET_BACK)
    )
    return Places.of(wave["pump"].filter(restarted), state.height).write(state, anew)


def _counters() -> list[pl.Expr]:
    boot = pl.coalesce("boot", "was.boot", 0)
    skipped = pl.when(boot == pl.col("was.boot")).then(pl.col("seq") - pl.col("was.seq") - 1).otherwise(0)
    # More than a pump can have sent in the time is a garbled counter, not a loss.
    possible = MAX_SKIPPED + (pl.col("time") - pl.col("was.time")) // MIN_INTERVAL_MS
    return [
        boot.alias("boot"),
        (pl.col("was.samples") + 1).alias("samples"),
        (pl.col("was.missed") + pl.when(skipped.is_between(0, possible)).then(skipped).otherwise(0)).alias("missed"),
    ]


_GATHER: Final = (*_counters(), *windows.gather())
_BEGIN: Final = (*_counters(), *windows.begin())
_COMPARED: Final = ("time", "seq", "boot", "samples", "missed", *windows.COMPARED)
_FOLLOWED: Final = (*REPORTED, *COUNTERS, *windows.COMPARED, *windows.SCHEMA, *epochs.SCHEMA)
"""Columns of the state that are read with each sample."""


def _score(rule: Rule) -> pl.Expr:
    return detector_of(rule).score(memory_of(rule)).cast(pl.Float32).fill_nan(None).clip(0.0, MAX_SCORE)
