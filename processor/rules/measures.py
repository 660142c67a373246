"""Evidence of an alarm: measures that support it and causes that the numbers exclude."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from processor.detectors import Memory

Value = Callable[[Memory], pl.Expr]
"""Builds an expression over a row of the engine state; the argument gives access to the detector's memory."""


def last(signal: str, times: float = 1.0) -> Value:
    """Return the latest reading of a signal; the factor `times` converts it to the unit of the measure."""
    return lambda _: pl.col(signal) * times


def kept(name: str, times: float = 1.0) -> Value:
    """Return a value from the memory of the rule's detector; the factor `times` converts its unit."""
    return lambda memory: memory(name) * times


def family(name: str) -> Memory:
    """Return the accessor to the memory of another detector family."""
    return lambda column: pl.col(f"{name}.memory.{column}")


def reported_min(rule: str) -> Value:
    """Return how long (min) the pump has reported the condition of a rule."""
    return lambda _: pl.col(f"{rule}.in_state_s") / 60.0


@dataclass(frozen=True, eq=False)
class Measure:
    """A number that supports the alarm, with its expected value and the limit it crossed, all in `unit`."""

    label: str
    unit: str
    value: Value
    expected: Value | float | None = None
    limit: Value | float | None = None


@dataclass(frozen=True, eq=False)
class Exclusion:
    """A cause that is excluded if `holds` is true: `because` gives the reason, `value` the number behind it, if any.

    `limit`, in `unit`, is the value at which the cause would be possible. `cause` is the title of that cause's rule, if
    it has one.
    """

    cause: str
    because: str
    unit: str
    value: Value | None
    holds: Value
    limit: float | None = None
