"""The engine: a pure step from one state of the fleet, a frame with a row per pump, to the next by a wave of samples.

Pumps are dense numbers here: their row in the state. A wave holds each pump at most once; `waves` splits a batch into
waves in order of arrival, so that a batch and its samples one by one lead to exactly the same state. A sample that is
not newer than the last one of its pump is counted and otherwise ignored, so that duplicates and late samples change
nothing. Samples are gathered into windows of each pump's own time, and rules judge the windows that end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
)
from processor.engine.scoring import AS_WRITTEN, MAX_SCORE, in_company, judge, replaced
from processor.engine.sequence import LATE, NO_GAPS, NONE_SKIPPED, REDELIVERED, Gaps
from processor.rules import RULES, Rule

REPORTED: Final = ("time", "seq", "boot", "program", "flags")
COUNTERS: Final = ("samples", "missed", "stale")
THIN_WAVE: Final = 1_000
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
    wave = pl.int_range(pl.len()).over("pump").alias(".wave")
    yield from batch.with_columns(wave).partition_by(".wave", maintain_order=True, include_key=False)


def defer(batch: pl.DataFrame, max_waves: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a batch into the samples to judge now and those that can wait, each in order of arrival.

    A wave of a few pumps costs nearly as much as one of thousands. So of the waves with fewer than `THIN_WAVE` samples,
    which only pumps with a backlog have, the first `max_waves` are judged now.
    """
    if batch["pump"].n_unique() == batch.height:
        return batch, batch.clear()
    wave = batch.select(pl.int_range(pl.len()).over("pump")).to_series()
    heights = np.bincount(wave.to_numpy())
    now = int((heights >= THIN_WAVE).sum()) + max_waves
    if len(heights) <= now:
        return batch, batch.clear()
    return batch.filter(wave < now), batch.filter(wave >= now)


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
    whole = _covers(state, wave)
    before = state if whole else state[wave["pump"]]
    newer = _newer(before, wave)
    stale = late = redelivered = wave.head(0)
    if not newer.all():
        begun = epochs.begins(before, wave, ~newer)
        if begun.any():
            newer, state = newer | begun, count_clock_faults(state, wave["pump"].filter(begun))
    if before[epochs.STALE_RUN].to_numpy().any():
        state = epochs.end_runs(state, wave["pump"].filter(newer))
        before = state if whole else state[wave["pump"]]
    if not newer.all():
        stale = wave.filter(~newer)
        gaps, late = gaps.filled(stale, before["boot"].filter(~newer))
        redelivered = stale.filter(REDELIVERED)
        state = epochs.follow(_count(state, {"stale": stale, LATE: late, REDELIVERED: redelivered}), stale)
        wave = wave.filter(newer)
        if wave.height == 0:
            return StepResult(state, _nobody(state), gaps, stale, late, redelivered, NONE_SKIPPED)
        whole, before = False, state[wave["pump"]]
    after, judged, changed = _take_in(before, wave, rules, window_s)
    skipped = sequence.skipped(before, after, wave["pump"])
    state = after if whole else _scatter(state, wave["pump"], after.select(changed))
    return StepResult(state, judged, gaps.opened(skipped), stale, late, redelivered, skipped)


def _take_in(
    before: pl.DataFrame, wave: pl.DataFrame, rules: Rules, window_s: float
) -> tuple[pl.DataFrame, pl.DataFrame, Sequence[str]]:
    """Gather newer samples, judge the windows that end; return the rows, those judged, and the columns that changed."""
    after = _gather(before, wave, rules)
    ends = _ends(after, window_s)
    if not ends.any():
        return after, _nobody(after), _GATHERED
    if ends.all():
        after = judge(after, rules)
        return after, after.with_columns(wave["pump"]), after.columns
    ready = judge(after.filter(ends), rules)
    return _scatter(after, ends.arg_true(), ready), ready.with_columns(wave["pump"].filter(ends)), after.columns


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
    return frame.with_columns(_score(rule).fill_null(0.0).alias(score_name(rule)) for rule in judged).drop("age")


def count_clock_faults(state: pl.DataFrame, pumps: pl.Series) -> pl.DataFrame:
    """Return the state with one more clock fault in the present window of each of these pumps, each named once."""
    return _count(state, {windows.CLOCK_FAULTS: pumps.to_frame("pump")})


def _covers(state: pl.DataFrame, wave: pl.DataFrame) -> bool:
    pump = wave["pump"]
    return wave.height == state.height and np.array_equal(pump.to_numpy(), np.arange(wave.height))


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


def _scatter(state: pl.DataFrame, rows: pl.Series, values: pl.DataFrame) -> pl.DataFrame:
    return state.with_columns(state[name].clone().scatter(rows, values[name]) for name in values.columns)


def _gather(before: pl.DataFrame, wave: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the rows with the samples of the wave as their last known values, gathered into their windows."""
    restarted = _no_later(before, wave)
    if restarted.any():
        set_back = pl.when(restarted).then(before["time"] - wave["time"]).otherwise(0) + before[epochs.SET_BACK]
        before = _begin_anew(before, restarted, rules).with_columns(set_back.alias(epochs.SET_BACK))
    reported = {name: wave[name] for name in (*REPORTED, *SIGNAL_NAMES)}
    previous = (before[name].alias(f"was.{name}") for name in _COMPARED)
    frame = pl.DataFrame([*reported.values(), *previous, *(before[name] for name in windows.SCHEMA)])
    plan = _BEGIN if (before[windows.COUNT] == 0.0).all() else _GATHER
    lazy = (in_company(frame) if frame.height == 1 else frame).lazy()
    gathered = lazy.select(plan).collect(engine="in-memory", optimizations=AS_WRITTEN).head(frame.height)
    return replaced(before, reported | {column.name: column for column in gathered.get_columns()})


def _begin_anew(rows: pl.DataFrame, restarted: pl.Series, rules: Rules) -> pl.DataFrame:
    """Forget what was learned about pumps whose clock went back with a new boot: they were reset."""
    start = {**memory_start(rules), **windows.EMPTY, windows.CLOSED: None}
    dtypes = schema(rules)
    return rows.with_columns(
        pl.when(~restarted).then(pl.col(name)).otherwise(pl.lit(value, dtypes[name])).alias(name)
        for name, value in start.items()
    )


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
_GATHERED: Final = (*REPORTED, *COUNTERS, *SIGNAL_NAMES, *(name for name in windows.SCHEMA if name != windows.CLOSED))


def _score(rule: Rule) -> pl.Expr:
    return detector_of(rule).score(memory_of(rule)).cast(pl.Float32).fill_nan(None).clip(0.0, MAX_SCORE)
