"""Judge the history of one pump again: its samples of the past through the detectors, window by window.

The detectors are those that judge live samples, so scores and baselines are those of then, except for what the history
does not hold: messages that were redelivered, clocks that were set back, and what was learned before the first sample.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from processor.engine import windows
from processor.engine.columns import Rules
from processor.engine.engine import MAX_SKIPPED, MIN_INTERVAL_MS, REPORTED, new_state
from processor.engine.placement import replaced
from processor.engine.scoring import judge

NUMBERS: Final = ("flags", "seq", "boot", "program")
"""Columns of samples besides time and signals; a history without them, such as hourly means, can be judged too."""


def judged(samples: pl.DataFrame, rules: Rules, window_s: float, state: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the row of the state after each window (scores, memories, and the means of the signals), by time.

    `samples` are those of one pump, sorted by time, each once; `state` is the last row of an earlier call, after which
    they follow. A window that has not ended is left out.
    """
    row, rows = new_state(1, rules) if state is None else state, []
    for window in _windows(samples, window_s, row["time"][0]).iter_slices(1):
        row = judge(replaced(row, {column.name: column for column in window.get_columns()}), rules)
        rows.append(row)
    return pl.concat(rows) if rows else row.head(0)


def _windows(samples: pl.DataFrame, window_s: float, closed: int | None) -> pl.DataFrame:
    """Return one row per window that ended, with the columns that `windows.gather` leaves in the state.

    A window ends with the first sample beyond its division; the last one before these samples ended at `closed`.
    """
    length = max(1, round(1000 * window_s))
    absent = [pl.lit(None, pl.Int64).alias(name) for name in NUMBERS if name not in samples.columns]
    place = pl.col("time") // length
    residual = pl.col("flow_ul_h") - pl.col("commanded_ul_h")
    skipped = pl.col("seq") - pl.col("seq").shift() - 1
    possible = MAX_SKIPPED + pl.col("time").diff() // MIN_INTERVAL_MS
    frame = samples.with_columns(absent).with_columns(
        (place != place.shift().fill_null(-1 if closed is None else closed // length)).alias("ends"),
        (pl.col("flow_ul_h") == pl.col("flow_ul_h").shift()).fill_null(value=False).alias("repeats"),
        residual.diff().fill_null(0.0).alias("flow_jump"),
        pl.col("motor_ma").diff().fill_null(0.0).alias("motor_jump"),
        pl.when((pl.col("boot") == pl.col("boot").shift()) & skipped.is_between(0, possible))
        .then(skipped)
        .otherwise(0)
        .cum_sum()
        .alias("missed"),
    )
    frame = frame.with_columns((pl.col("ends").cast(pl.Int64).cum_sum() - pl.col("ends")).alias("window"))
    means = [pl.col(name).mean().cast(pl.Float32) for name in SIGNAL_NAMES]
    return (
        frame.group_by("window", maintain_order=True)
        .agg(
            *(pl.col(name).last() for name in (*REPORTED, "missed", "ends")),
            *means,
            *(mean.alias(f"window.{name}") for mean, name in zip(means, SIGNAL_NAMES, strict=True)),
            pl.col("flags").bitwise_or().alias(windows.FLAGS),
            pl.len().cast(pl.Float32).alias(windows.COUNT),
            pl.col("repeats").sum().cast(pl.Float32).alias(windows.REPEATS),
            pl.col("flow_jump").pow(2).sum().cast(pl.Float32).alias(windows.FLOW_JUMPS),
            pl.col("motor_jump").pow(2).sum().cast(pl.Float32).alias(windows.MOTOR_JUMPS),
        )
        .filter("ends")
        .drop("window", "ends")
    )
