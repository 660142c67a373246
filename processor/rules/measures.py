"""This file says how a rule names what its alarm rests on: measures, and causes that are told apart by numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from processor.detectors import Memory

Value = Callable[[Memory], pl.Expr]
"""Makes an expression over a row of the state; the argument reaches the memory of the rule, as in its detector."""


def last(signal: str, times: float = 1.0) -> Value:
    """Return the latest reading of a signal, `times` a factor that makes it the unit of the measure."""
    return lambda _: pl.col(signal) * times


def kept(name: str, times: float = 1.0) -> Value:
    """Return what the rule's detector has in its memory under a name."""
    return lambda memory: memory(name) * times


def family(name: str) -> Memory:
    """Return the accessor by which the memory of another family of detectors is reached."""
    return lambda column: pl.col(f"{name}.memory.{column}")


def reported_min(rule: str) -> Value:
    """Return for how long (min) a rule that listens to the pump has been violated."""
    return lambda _: pl.col(f"{rule}.in_state_s") / 60.0


@dataclass(frozen=True, eq=False)
class Measure:
    """A number that speaks for the alarm, with what it should be and the limit that it crossed, all in `unit`."""

    label: str
    unit: str
    value: Value
    expected: Value | float | None = None
    limit: Value | float | None = None


@dataclass(frozen=True, eq=False)
class Exclusion:
    """A cause that it is not where `holds`: `because` in words, by the number `value`, if it is one.

    `limit` is where it would be, in `unit`; `cause` is the title of that cause's rule, if it has one.
    """

    cause: str
    because: str
    unit: str
    value: Value | None
    holds: Value
    limit: float | None = None
