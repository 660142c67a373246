"""Clock epochs: when a pump whose clock was set back is taken at its new word instead of being ignored for ever.

A sample that is not newer than the last one of its pump is stale: a duplicate or a late one. But if the clock of a pump
is set back, or one garbled sample bore a time or boot far ahead, all its samples are stale from then on. They give
themselves away: they ascend among themselves, and their sequence numbers are beyond that of the last sample taken.
After `RUN` such samples in a row a new epoch begins: the next one is taken, and what was learned of a pump whose time
goes back is forgotten, as after a reset. Without sequence numbers, or if the boot counts down, it takes as long as
until the pump counts as silent to tell them from a replay (`call_for_epochs`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from processor.engine.sequence import REDELIVERED

RUN: Final = 3
"""Stale samples in a row before a new epoch: a single garbled one must not begin it."""
MIN_STEP_BACK_MS: Final = 1_800_000
"""After a smaller step back the pump is ignored until its clock catches up, and counts as silent meanwhile, but loses
nothing that was learned. Modeling choice."""
STALE_TIME: Final = "stale_time"
STALE_RUN: Final = "stale_run"
DUE: Final = 2**30
"""Value of `stale_run` that lets the next stale sample begin an epoch, whatever its number (`call_for_epochs`)."""
UNNUMBERED_RUN: Final = 10
"""Stale samples in a row of an unheard pump before a new epoch, whatever their numbers."""
SET_BACK: Final = "clock_set_back_ms"
TOLERANCE_MS: Final = 300_000
"""A clock that seems this far ahead of its gateway's, with what it was set back added, was corrected meanwhile."""
SCHEMA: Final[dict[str, pl.DataType]] = {STALE_TIME: pl.Int64(), STALE_RUN: pl.Int64(), SET_BACK: pl.Int64()}
"""Columns of the state: time of the last stale sample, how many have ascended in a row since one was taken, and by how
much the clock of the pump was set back, all in all."""


def begins(before: pl.DataFrame, wave: pl.DataFrame, stale: pl.Series) -> pl.Series:
    """Return whose sample begins a new epoch (Boolean); `before` are the rows of the wave's pumps, `stale` Boolean."""
    rows = pl.DataFrame(
        {
            "run": before[STALE_RUN],
            "back": before["time"] - wave["time"],
            "numbered": (wave["seq"] > before["seq"]).fill_null(value=False),
            "same_boot": (wave["boot"] == before["boot"]).fill_null(value=True),
            "resent": wave[REDELIVERED].fill_null(value=False),
            "stale": stale,
        }
    )
    run, back = pl.col("run"), pl.col("back")
    evident = pl.col("same_boot") & pl.col("numbered") & (back >= MIN_STEP_BACK_MS)
    due = ((run >= RUN) & evident) | (run >= DUE)
    return rows.select((pl.col("stale") & ~pl.col("resent") & due).fill_null(value=False)).to_series()


def follow(state: pl.DataFrame, stale: pl.DataFrame) -> pl.DataFrame:
    """Return the state with the runs of the pumps of these stale samples, each pump once."""
    counted = stale.filter(~pl.col(REDELIVERED).fill_null(value=False))
    if counted.is_empty():
        return state
    pumps, time = counted["pump"], counted["time"]
    last, run = state[STALE_TIME].gather(pumps), state[STALE_RUN].gather(pumps)
    ascends = (time > last).fill_null(value=True)
    longer = pl.select(
        pl.when((run == 0) | ascends).then(run + 1).when(time == last).then(run).otherwise(pl.lit(1)).cast(pl.Int64)
    ).to_series()
    return state.with_columns(
        state[STALE_TIME].clone().scatter(pumps, time), state[STALE_RUN].clone().scatter(pumps, longer)
    )


def end_runs(state: pl.DataFrame, taken: pl.Series) -> pl.DataFrame:
    """Return the state without the runs of pumps of which a sample was taken."""
    running = taken.filter(state[STALE_RUN].gather(taken) > 0)
    if running.is_empty():
        return state
    return state.with_columns(state[STALE_RUN].clone().scatter(running, 0))


def call_for_epochs(state: pl.DataFrame, unheard: pl.Series) -> pl.DataFrame:
    """Let a new epoch begin with the next sample of pumps that send, but of which nothing was taken for long.

    `unheard` is a Boolean per pump. It takes the sequence number to tell a clock that was set back from a replay of
    old samples at once; without one, time has to tell.
    """
    due = unheard & (state[STALE_RUN] >= UNNUMBERED_RUN) & (state[STALE_RUN] < DUE)
    if not due.any():
        return state
    return state.with_columns(state[STALE_RUN].clone().scatter(due.arg_true(), DUE))


def measure_set_back(state: pl.DataFrame, before: pl.Series, clocks: pl.Series) -> pl.DataFrame:
    """Return the state with `SET_BACK` measured anew for the pumps whose clock went back since it was `before`.

    `clocks` (Int64 ms) is where the clocks of their gateways stand now that the samples have arrived; what a pump's
    clock stands at is known from its last sample.
    """
    changed = np.flatnonzero(state[SET_BACK].to_numpy() != before.to_numpy())
    behind = (clocks.gather(changed) - state["time"].gather(changed)).clip(0)
    return state.with_columns(state[SET_BACK].clone().scatter(changed, behind))


def own_clocks(clocks: pl.Series, state: pl.DataFrame) -> pl.Series:
    """Return where each pump's own clock should stand (Int64 ms) if those of their gateways stand at `clocks`.

    It is its gateway's clock, less what the pump's was set back by. So a pump with a wrong clock is as old as the time
    since its last sample, and its alarms as old as they are.
    """
    back = state[SET_BACK]
    if not (back != 0).any():
        return clocks
    return pl.select(
        pl.when(clocks - back >= state["time"] - TOLERANCE_MS).then(clocks - back).otherwise(clocks)
    ).to_series()
