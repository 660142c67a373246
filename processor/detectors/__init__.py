"""Detectors: each module is one method, a function that returns a `Detector`.

A detector scores one window of every pump at once (a few minutes of samples, see `processor.engine.windows`): 0 is as
expected, 1.0 is at the limit, more is worse. It reads columns of the window:

- the mean of each signal, by its name;
- `flags` (all that were set in the window) and `count` (its samples);
- `flow_repeats` (share of flow readings identical to the previous one);
- `flow_jump_ul_h` and `motor_jump_ma` (root mean square of the sample-to-sample change of flow less commanded flow, and
  of motor current);
- `dt` (seconds since the previous window ended, null for a pump's first window);
- `clock_faults`, the implausible times and new clock epochs since the last window;
- `time`, `seq`, `boot`, `missed`, `stale` and `resent` as of the end of the window;
- `age` (seconds since the last sample; only for detectors that judge silence);
- its own memory as of before the window.

Silence, duplicates, batching, missing signals (the score is then unknown) and delays are the engine's business, never a
detector's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

Memory = Callable[[str], pl.Expr]
"""`memory("mean")` is the detector's column of that name, as it was before this window."""
Stage = Mapping[str, pl.Expr]
"""Named expressions that are computed together."""
_WEIGHT: Final = "weight over "


def _nothing(_: Memory) -> Stage:
    return {}


def _no_stages(_: Memory) -> tuple[Stage, ...]:
    return ()


@dataclass(frozen=True)
class Detector:
    """One method with its parameters.

    `score` builds the score expression from the memory. `memory` names the memory columns (all Float32) with their
    initial values (None is unknown); `learn` gives the value of each after this window, null to keep it. `derive` names
    intermediate values that score and learning use more than once: in stages, each computed from the stages before it
    and accessed like memory, but not stored. Detectors of one `family` share memory, `derive` and `learn`. A detector
    that `judges` "age" is scored for all pumps at every tick, and learns from windows like the others.
    """

    score: Callable[[Memory], pl.Expr]
    memory: Mapping[str, float | None] = field(default_factory=dict)
    learn: Callable[[Memory], Mapping[str, pl.Expr]] = _nothing
    judges: Literal["sample", "age"] = "sample"
    family: str | None = None
    derive: Callable[[Memory], tuple[Stage, ...]] = _no_stages


def forgetting(tau_s: float) -> pl.Expr:
    """Return the weight of this window in an exponential average with time constant `tau_s`: 1 - exp(-dt/tau).

    The weight depends on elapsed time, not on the number of samples, so that pumps reporting hourly and every second
    are averaged over the same stretch of therapy. It is 0 if there is no earlier window. The engine computes this
    column once for all detectors that use it.
    """
    return pl.col(f"{_WEIGHT}{float(tau_s)!r}")


def time_constant_s(column: str) -> float | None:
    """Return the time constant of a column made by `forgetting`; None for any other column."""
    return float(column.removeprefix(_WEIGHT)) if column.startswith(_WEIGHT) else None


def fading(tau_s: float) -> pl.Expr:
    """Return the share of a value left after this window, if it decays with time constant `tau_s`: exp(-dt/tau)."""
    return 1.0 - forgetting(tau_s)


def settling(tau_s: float, windows: pl.Expr) -> pl.Expr:
    """Return the weight of `forgetting`, but at least that of a plain mean over `windows` earlier windows and this one.

    This keeps the noise of the first window from dominating an average with a long time constant for days.
    """
    return pl.max_horizontal(forgetting(tau_s), divided(1.0, windows + 1.0))


def divided(number: float, value: pl.Expr) -> pl.Expr:
    """Return a number divided by a value, as Float32; Polars may take the quotient of a bare number for Float64."""
    return pl.lit(number, pl.Float32) / value


def at_least(value: pl.Expr, low: float) -> pl.Expr:
    """Return the greater of the two, or `low` if the value is unknown; six times as fast as Polars' `clip`."""
    return pl.max_horizontal(value, low)


def at_most(value: pl.Expr, high: float) -> pl.Expr:
    """Return the smaller of the two, or `high` if the value is unknown; six times as fast as Polars' `clip`."""
    return pl.min_horizontal(value, high)


def toward(mean: pl.Expr, value: pl.Expr, weight: pl.Expr) -> pl.Expr:
    """Return the average moved toward a value by a weight of 0 to 1; an unknown average starts at the value."""
    return pl.coalesce(mean + weight * (value - mean), value)
