"""Runs: many samples of one pump at once, as after an outage, in one pass instead of one wave each.

The state after a run is that of its samples one by one, to the last bit. Means of windows are made as waves are, with
the windows of the run in place of pumps; `processor.engine.compiled` judges the windows in order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.engine import epochs, sequence, windows
from processor.engine.columns import MS_PER_S, Rules, is_scored_by, score_name
from processor.engine.compiled import COMPILE_ERRORS, Judge
from processor.engine.engine import StepResult, gather
from processor.engine.engine import step as wave_step
from processor.engine.placement import Places, replaced
from processor.engine.sequence import NONE_SKIPPED, Gaps

MIN_RUN: Final = 6
"""Samples of a pump that are worth a run of their own; it takes as long as some four waves."""
MAX_RUN: Final = 5_000
"""Samples of a run that are judged at once; they take less than a tenth of a second if they are a minute apart."""
MAX_STEP: Final = 2_500
"""Samples of a run between which the caller may stop."""
MAX_RUNS: Final = 8
"""Runs that are judged at once; each takes about ten milliseconds, however short it is."""

log = logging.getLogger("processor")

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def apart(batch: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Split a batch into what is judged in waves and the runs of single pumps, each in order of arrival.

    Waves are as many as the samples of the pump that has most of them. So those few pumps are taken out that spare more
    waves than their runs cost.
    """
    if np.bincount(batch["pump"].to_numpy(), minlength=1).max() < MIN_RUN:
        return batch, []
    counts = batch["pump"].value_counts().filter(pl.col("count") >= MIN_RUN).sort("count", "pump", descending=True)
    if counts.is_empty():
        return batch, []
    left = np.append(counts["count"].to_numpy(), MIN_RUN - 1).astype(np.int64)
    taken = int(np.argmin(left + MIN_RUN * np.arange(len(left))))
    if not taken:
        return batch, []
    pumps = counts["pump"].head(taken)
    alone = batch["pump"].is_in(pumps.implode())
    parts = batch.filter(alone).partition_by("pump", maintain_order=True)
    return batch.filter(~alone), parts


def steps(
    state: pl.DataFrame, run: pl.DataFrame, rules: Rules, window_s: float, *, gaps: Gaps, max_waves: int | None
) -> Iterator[tuple[StepResult, int]]:
    """Take a run into the state step by step; yield what each did and how many samples have been taken.

    Samples that are not `plain`, as after a reset of the pump, are waves of one. After `max_waves` of them (None: all)
    the rest is not taken.
    """
    at, waves = 0, 0
    while at < run.height and (max_waves is None or waves < max_waves):
        rest = run[at:]
        count = min(MAX_STEP, plain(state, rest) if judge_of(rules) else 0)
        if count >= MIN_RUN:
            result = step(state, rest[:count], rules, window_s, gaps=gaps)
        else:
            count, waves = 1, waves + 1
            result = wave_step(state, rest[:1], rules, window_s, gaps=gaps)
        state, gaps, at = result.state, result.gaps, at + count
        yield result, at


def plain(state: pl.DataFrame, run: pl.DataFrame) -> int:
    """Return how many samples at the start of a run are plain: each newer than the last, of the same boot."""
    before = state[int(run["pump"][0])]
    if before[epochs.STALE_RUN][0]:
        return 0
    last = before["time"][0]
    time = run["time"].to_numpy()
    newer = time > np.concatenate(([time[0] - 1 if last is None else last], time[:-1]))
    boot, known = _boots(before, run), before["boot"][0]
    same = (boot == (boot[0] if known is None else known)).to_numpy()
    odd = np.flatnonzero(~(newer & same))
    return int(odd[0]) if len(odd) else run.height


def _boots(before: pl.DataFrame, run: pl.DataFrame) -> pl.Series:
    """Return the boot of each sample: the last one that was reported if it reports none."""
    return run["boot"].fill_null(strategy="forward").fill_null(before["boot"][0] or 0)


def step(state: pl.DataFrame, run: pl.DataFrame, rules: Rules, window_s: float, *, gaps: Gaps) -> StepResult:
    """Take `plain` samples of one pump into the state; `judged` has a row for each window that ended, in order."""
    pumps = run["pump"].head(1)
    before = state[int(pumps[0])]
    time = run["time"].to_numpy()
    ends = _ends(time, before, window_s)
    window, place = _windows(ends)
    gathered, missed = _gather(before, run, window, place)
    opened = _skipped(run, gathered["boot"][0], missed)
    counts = {
        "samples": pl.Series(int(before["samples"][0]) + 1 + np.arange(run.height)),
        "missed": pl.Series(int(before["missed"][0]) + np.cumsum(missed)),
    }
    last = np.flatnonzero(np.append(window[1:] != window[:-1], True))
    gathered = gathered.with_columns(series.gather(last).alias(name) for name, series in counts.items())
    judged = _judged(before, gathered.head(int(ends.sum())), rules)
    after = judged.tail(1) if judged.height else before
    if not ends[-1]:
        after = after.with_columns(gathered.tail(1).drop(windows.CLOSED).get_columns())
    state = Places.of(pumps, state.height).write(state, after)
    nobody = run.head(0)
    judged = judged.with_columns(pumps.new_from_index(0, judged.height))
    return StepResult(state, judged, gaps.opened(opened), nobody, nobody, nobody, opened)


def _ends(time: Ints, before: pl.DataFrame, window_s: float) -> Bools:
    """Return which samples end a window: the first of each on the grid of therapy time, as in `engine.step`."""
    if window_s == 0:
        return np.ones(len(time), dtype=np.bool_)
    cell = time // round(window_s * MS_PER_S)
    closed = before[windows.CLOSED][0]
    last = cell[0] - 1 if closed is None else closed // round(window_s * MS_PER_S)
    ends: Bools = cell != np.concatenate(([last], cell[:-1]))
    return ends


def _windows(ends: Bools) -> tuple[Ints, Ints]:
    """Return the window of each sample, and its place in it, both from 0; a window ends with its last sample."""
    window: Ints = np.cumsum(ends) - ends
    first = np.flatnonzero(np.diff(window, prepend=-1))
    return window, np.arange(len(ends)) - first[window]


def _gather(before: pl.DataFrame, run: pl.DataFrame, window: Ints, place: Ints) -> tuple[pl.DataFrame, Ints]:
    """Return the columns that change with each sample after each window, and how many samples each sample skipped.

    The first samples of all windows are one wave, the second ones the next. Counters start at 0.
    """
    run = run.with_columns(_boots(before, run))
    none = pl.zeros(run.height, pl.Int64, eager=True)
    previous = pl.DataFrame(
        [
            *(pl.concat([before[name], run[name].head(-1)]) for name in ("time", "seq", "boot", *windows.COMPARED)),
            none.alias("samples"),
            none.alias("missed"),
        ]
    )
    so_far = _beginnings(before, run["time"], window)
    missed, parts = np.empty(run.height, dtype=np.int64), []
    length = np.bincount(window)
    for at in range(int(place.max()) + 1):
        samples = np.flatnonzero(place == at)
        wave = gather(previous[samples].hstack(so_far), run[samples])
        missed[samples] = wave["missed"].to_numpy()
        goes_on = length[window[samples]] > at + 1
        parts.append(wave.filter(pl.Series(~goes_on)).with_columns(pl.Series("window", window[samples][~goes_on])))
        so_far = wave.filter(pl.Series(goes_on)).select(*windows.SCHEMA)
    return pl.concat([part.select(parts[0].columns) for part in parts]).sort("window").drop("window"), missed


def _beginnings(before: pl.DataFrame, time: pl.Series, window: Ints) -> pl.DataFrame:
    """Return what was gathered of each window before this run (`windows.SCHEMA`): something of the first at most."""
    count = int(window[-1]) + 1
    first = before.select(*windows.SCHEMA)
    if count == 1:
        return first
    ended = time.gather(np.flatnonzero(np.diff(window)))
    fresh = pl.DataFrame([series.alias(name) for name, series in windows.emptied(count - 1).items()])
    return pl.concat([first, fresh.with_columns(ended.alias(windows.CLOSED)).select(*windows.SCHEMA)])


def _skipped(run: pl.DataFrame, boot: int, missed: Ints) -> pl.DataFrame:
    """Return the gaps that the samples opened, in order."""
    if not missed.any():
        return NONE_SKIPPED
    gone = pl.Series(missed > 0)
    count, seq = pl.Series(missed).filter(gone), run["seq"].filter(gone)
    gaps = {"pump": run["pump"].filter(gone), "boot": [boot] * count.len(), "first": seq - count, "last": seq - 1}
    return pl.DataFrame(gaps, sequence.SCHEMA)


def _judged(before: pl.DataFrame, ended: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the row of the pump in the state after each of the windows that `ended`, in order."""
    if ended.is_empty():
        return before.head(0)
    faults = np.zeros(ended.height, dtype=np.float32)
    faults[0] = before[windows.CLOCK_FAULTS][0]
    same = before[np.zeros(ended.height, dtype=np.int64)]
    rows = replaced(
        same, {column.name: column for column in (*ended.get_columns(), pl.Series(windows.CLOCK_FAULTS, faults))}
    )
    silent = pl.zeros(ended.height, pl.Float32, eager=True)
    judge = judge_of(rules)
    if judge is None:
        raise RuntimeError("runs need compiled rules")
    after = {column.name: column for column in judge.judge(before, rows).get_columns()}
    after |= {score_name(rule): silent for rule in rules if is_scored_by(rule, "age")}
    after |= windows.emptied(ended.height) | {windows.CLOSED: rows["time"], windows.CLOCK_FAULTS: silent}
    return replaced(rows, after)


@cache
def judge_of(rules: Rules) -> Judge | None:
    """Return these rules, compiled; None if one of them cannot be, or nothing can be compiled on this machine."""
    try:
        return Judge(rules)
    except COMPILE_ERRORS as error:
        log.warning("a pump's backlog is judged wave by wave, which is slow: rules were not compiled (%s)", error)
        return None
