"""Notation of programs on the command line: steps of the day and days of the week."""

from __future__ import annotations

import math
import re
from typing import Final

import typer

from broker.contract.commands import FACTOR, MAX_STEPS
from pumpwatch.commands import faults

DAY_S: Final = 86_400.0
DAYS_A_WEEK: Final = 7


def steps_of(text: str) -> list[tuple[float, float]]:
    """Return the steps of a program, each its second of the day and relative rate; raises a usage error."""
    parts = text.split(",")
    if len(parts) > MAX_STEPS:
        raise typer.BadParameter(f"{len(parts):,} steps; allowed are up to {MAX_STEPS}", param_hint="--steps")
    return [_step(part) for part in parts]


def days_of(text: str) -> list[int]:
    """Return days of the week, 0 for Monday; raises a usage error."""
    days = text.split(",")
    if not all(re.fullmatch("[0-6]", day.strip()) for day in days) or len(days) > DAYS_A_WEEK:
        raise typer.BadParameter(
            f"{text[:80]!r} is not a list of days, 0 (Monday) to 6, such as 0,1,2", param_hint="--days"
        )
    return [int(day) for day in days]


def _step(text: str) -> tuple[float, float]:
    begins, _, rate = text.partition("=")
    begins_s = faults.duration("--steps", begins)
    try:
        factor = float(rate)
    except ValueError:
        factor = math.nan
    if not (begins_s <= DAY_S and 0 <= factor <= (FACTOR.le or 0)):
        raise typer.BadParameter(
            f"{text[:80]!r} is not a step such as 06:00=1.5: a time of day, and a rate from 0 to {FACTOR.le:,.0f}",
            param_hint="--steps",
        )
    return begins_s, factor
