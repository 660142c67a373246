"""Windows of each pump's own time into which samples are gathered, so that rules judge means instead of noise.

Therapy time is divided every `WINDOW_S`; a window ends with the first sample beyond the next division. A pump that
reports less often has one window per sample. What is gathered depends on the pump's own samples alone.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.signals import SIGNAL_NAMES

WINDOW_S: Final = 300.0
"""Modelling choice: no detection target is shorter than ten minutes, and the mean of five samples a minute apart has
less than half the noise of one."""
COUNT: Final = "window.count"
CLOSED: Final = "window.closed"
FLAGS: Final = "window.flags"
REPEATS: Final = "window.flow_repeats"
FLOW_JUMPS: Final = "window.flow_jumps"
MOTOR_JUMPS: Final = "window.motor_jumps"
CLOCK_FAULTS: Final = "window.clock_faults"
"""Implausible times and new clock epochs since the last window ended; survives a reset of the pump."""
SUMS: Final = (REPEATS, FLOW_JUMPS, MOTOR_JUMPS)
COMPARED: Final = ("flow_ul_h", "commanded_ul_h", "motor_ma")
"""Signals whose changes from sample to sample are gathered."""
_MEANS: Final = tuple(f"window.{name}" for name in SIGNAL_NAMES)
_AS_GATHERED: Final = {**dict(zip(_MEANS, SIGNAL_NAMES, strict=True)), FLAGS: "flags", COUNT: "count"}
SCHEMA: Final[dict[str, pl.DataType]] = {
    CLOSED: pl.Int64(),
    FLAGS: pl.Int64(),
    **dict.fromkeys((COUNT, *SUMS), pl.Float32()),
    **dict.fromkeys(_MEANS, pl.Float32()),
}
"""Columns of the state: `window.closed` is the end of the last window (therapy ms, null: none ended yet), the signals
are means so far."""
EMPTY: Final[dict[str, float | int | None]] = {
    **dict.fromkeys((COUNT, *SUMS), 0.0),
    FLAGS: None,
    **dict.fromkeys(_MEANS),
}
"""Values of a window that has just begun; `window.closed` stays."""


def gather() -> tuple[pl.Expr, ...]:
    """Return the expressions that add a sample to its window.

    The frame has the signals, `flags`, the window so far, and the previous values of `COMPARED` as `was.`. A signal
    that is unknown leaves its mean as it is.
    """
    return (*_counts(), *(_mean(name) for name in SIGNAL_NAMES))


def begin() -> tuple[pl.Expr, ...]:
    """Return the same for the first sample of a window, whose values are its means."""
    return (*_counts(), *(pl.col(name).alias(f"window.{name}") for name in SIGNAL_NAMES))


def means(rows: pl.DataFrame) -> list[pl.Series]:
    """Return what detectors see of a window that ends: the means of the signals, `flags` and `count`."""
    return [rows[column].alias(name) for column, name in _AS_GATHERED.items()]


def changes() -> tuple[pl.Expr, ...]:
    """Return how readings of the window changed, from `means` and `SUMS`: repeated readings and jumps."""
    count = pl.col("count")
    return (
        (pl.col(REPEATS) / count).alias("flow_repeats"),
        (pl.col(FLOW_JUMPS) / count).sqrt().alias("flow_jump_ul_h"),
        (pl.col(MOTOR_JUMPS) / count).sqrt().alias("motor_jump_ma"),
    )


def emptied(pumps: int) -> dict[str, pl.Series]:
    """Return the columns of windows that have just begun (`EMPTY`); equal columns share their memory."""
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
