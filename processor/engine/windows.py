"""This file gathers each pump's samples into windows of its own time, so that rules judge means instead of noise.

Therapy time is cut every `WINDOW_S`; a window ends with the first sample beyond the next cut. A pump that reports less
often than that has a window a sample. What is gathered depends on the pump's own samples alone.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.signals import SIGNAL_NAMES

WINDOW_S: Final = 300.0
"""Modelling choice: no alarm has to be up sooner than within ten minutes, and five samples a minute apart more than
halve the noise."""
COUNT: Final = "window.count"
CLOSED: Final = "window.closed"
FLAGS: Final = "window.flags"
REPEATS: Final = "window.flow_repeats"
FLOW_JUMPS: Final = "window.flow_jumps"
MOTOR_JUMPS: Final = "window.motor_jumps"
SUMS: Final = (REPEATS, FLOW_JUMPS, MOTOR_JUMPS)
COMPARED: Final = ("flow_ul_h", "commanded_ul_h", "motor_ma")
"""Signals whose change from sample to sample is gathered."""
_MEANS: Final = tuple(f"window.{name}" for name in SIGNAL_NAMES)
_AS_GATHERED: Final = {**dict(zip(_MEANS, SIGNAL_NAMES, strict=True)), FLAGS: "flags", COUNT: "count"}
SCHEMA: Final[dict[str, pl.DataType]] = {
    CLOSED: pl.Int64(),
    FLAGS: pl.Int64(),
    **dict.fromkeys((COUNT, *SUMS), pl.Float32()),
    **dict.fromkeys(_MEANS, pl.Float32()),
}
"""`window.closed` is when the last window ended (therapy ms, null: none did), the signals are means so far."""
EMPTY: Final[dict[str, float | int | None]] = {
    **dict.fromkeys((COUNT, *SUMS), 0.0),
    FLAGS: None,
    **dict.fromkeys(_MEANS),
}
"""What a window that has just begun holds; `window.closed` stays."""


def gather() -> tuple[pl.Expr, ...]:
    """Return how a sample adds to the window: the frame has the signals, `flags`, the window so far,
    and `COMPARED` before the sample as `was.`.

    A signal that is unknown now leaves its mean as it is.
    """
    return (*_counts(), *(_mean(name) for name in SIGNAL_NAMES))


def begin() -> tuple[pl.Expr, ...]:
    """Return the same for the first sample of a window, whose values are the means."""
    return (*_counts(), *(pl.col(name).alias(f"window.{name}") for name in SIGNAL_NAMES))


def means(rows: pl.DataFrame) -> list[pl.Series]:
    """Return what detectors see of a window that ends as it was gathered: means, `flags` and `count`."""
    return [rows[column].alias(name) for column, name in _AS_GATHERED.items()]


def seen() -> tuple[pl.Expr, ...]:
    """Return what else they see, from `means` and `SUMS`; see `processor.detectors`."""
    count = pl.col("count")
    return (
        (pl.col(REPEATS) / count).alias("flow_repeats"),
        (pl.col(FLOW_JUMPS) / count).sqrt().alias("flow_jump_ul_h"),
        (pl.col(MOTOR_JUMPS) / count).sqrt().alias("motor_jump_ma"),
    )


def emptied(pumps: int) -> dict[str, pl.Series]:
    """Return the columns of windows that have just begun, see `EMPTY`; those alike are one column in memory."""
    frame = pl.select(
        pl.repeat(0.0, pumps, dtype=pl.Float32).alias("zero"),
        pl.repeat(None, pumps, dtype=pl.Float32).alias("mean"),
        pl.repeat(None, pumps, dtype=pl.Int64).alias(FLAGS),
    )
    zero, mean, flags = frame.get_columns()
    return {FLAGS: flags, **dict.fromkeys(SUMS, zero), COUNT: zero, **dict.fromkeys(_MEANS, mean)}


def _counts() -> tuple[pl.Expr, ...]:
    repeated = (pl.col("flow_ul_h") == pl.col("was.flow_ul_h")).cast(pl.Float32).fill_null(0.0)
    residual = pl.col("flow_ul_h") - pl.col("commanded_ul_h")
    moved = residual - (pl.col("was.flow_ul_h") - pl.col("was.commanded_ul_h"))
    jumped = pl.col("motor_ma") - pl.col("was.motor_ma")
    return (
        (pl.col(COUNT) + 1.0).alias(COUNT),
        pl.coalesce(pl.col(FLAGS) | pl.col("flags"), "flags", FLAGS).alias(FLAGS),
        (pl.col(REPEATS) + repeated).alias(REPEATS),
        (pl.col(FLOW_JUMPS) + (moved * moved).fill_null(0.0)).alias(FLOW_JUMPS),
        (pl.col(MOTOR_JUMPS) + (jumped * jumped).fill_null(0.0)).alias(MOTOR_JUMPS),
    )


def _mean(name: str) -> pl.Expr:
    mean = pl.col(f"window.{name}")
    value = pl.col(name)
    return pl.coalesce(mean + (value - mean) / (pl.col(COUNT) + 1.0), value, mean).alias(f"window.{name}")
