"""Detectors: each file is one method, a function that returns a `Detector`.

A detector scores one window of every pump at once (some minutes of samples, see `processor.engine.windows`): 1.0 is at the
limit, more is worse, 0 is what is expected. It sees the window's mean of each signal by its name, `flags` (all that
were set in it), `count` (its samples), `flow_repeats` (the share that repeat the reading before), `flow_jump_ul_h` and
`motor_jump_ma` (root mean square of the change from sample to sample, of flow less commanded flow and of the current),
`dt` (seconds since the window before ended, null at the pump's first), `time`, `seq`, `boot`, `missed`, `stale` and
`resent` as of its end, `age` (seconds since the last sample, for those that judge silence) and its own memory from
before this window.
It never handles silence, repeats, batching, missing signals (the score is then unknown) or delays: the engine does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

Memory = Callable[[str], pl.Expr]
"""`memory("mean")` is the rule's own column of that name, as it was before this sample."""
_WEIGHT: Final = "weight over "


Stage = Mapping[str, pl.Expr]


def _nothing(_: Memory) -> Stage:
    return {}


def _no_stages(_: Memory) -> tuple[Stage, ...]:
    return ()


@dataclass(frozen=True)
class Detector:
    """One method with its parameters.

    `score` makes the expression from the memory; `memory` names the columns with their start values (None is
    unknown; all are Float32); `learn` gives what each is after this window, null to leave it. Detectors of one `family`
    share one memory, derive and learn alike. `derive` names values that score and learning use more than once: stage
    after stage, each computed from the one before and reached through the accessor like the memory, but not kept. A
    detector that `judges` "age" is scored at every tick for all pumps, and learns from windows like the others; a
    "reading" is of Pumpwatch itself (`processor.rules.system`).
    """

    score: Callable[[Memory], pl.Expr]
    memory: Mapping[str, float | None] = field(default_factory=dict)
    learn: Callable[[Memory], Mapping[str, pl.Expr]] = _nothing
    judges: Literal["sample", "age", "reading"] = "sample"
    family: str | None = None
    derive: Callable[[Memory], tuple[Stage, ...]] = _no_stages


def forgetting(tau_s: float) -> pl.Expr:
    """Return the weight of this window in an exponential average with time constant `tau_s`: 1 - exp(-dt/tau).

    Depends on the time that passed, not on the number of samples, so that a pump that reports once an hour and one
    that reports every second are averaged over the same stretch of therapy. 0 where there is no earlier sample. It is a
    column that the engine computes once for all who ask for it.
    """
    return pl.col(f"{_WEIGHT}{float(tau_s)!r}")


def time_constant_s(column: str) -> float | None:
    """Return the time constant of a column of `forgetting`; None if it is another column."""
    return float(column.removeprefix(_WEIGHT)) if column.startswith(_WEIGHT) else None


def fading(tau_s: float) -> pl.Expr:
    """Return what is left of something after this window, if it fades with time constant `tau_s`: exp(-dt/tau)."""
    return 1.0 - forgetting(tau_s)


def settling(tau_s: float, windows: pl.Expr) -> pl.Expr:
    """Return the same weight, but at least that of a plain mean of the `windows` so far and this one.

    So that an average with a long time constant does not keep the noise of the first window for days.
    """
    return pl.max_horizontal(forgetting(tau_s), 1.0 / (windows + 1.0))


def at_least(value: pl.Expr, low: float) -> pl.Expr:
    """Return the greater of the two, and `low` where the value is unknown; six times as fast as Polars' `clip`."""
    return pl.max_horizontal(value, low)


def at_most(value: pl.Expr, high: float) -> pl.Expr:
    """Return the smaller of the two, and `high` where the value is unknown; six times as fast as Polars' `clip`."""
    return pl.min_horizontal(value, high)


def toward(mean: pl.Expr, value: pl.Expr, weight: pl.Expr) -> pl.Expr:
    """Move an average towards a value by a weight of 0 to 1; an unknown average starts at the value."""
    return pl.coalesce(mean + weight * (value - mean), value)
