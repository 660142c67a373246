"""Flag detectors: conditions that the pump itself reports."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Final

import polars as pl

from broker.contract.signals import FLAG_BIT
from processor.detectors import Detector

REPORTED: Final = 2.0
"""Score of a flag that is set; clearly above the limit of 1."""
_FLAG: Final = "flag "


def flagged(*names: str) -> Detector:
    """Score a window in which the pump reported any of these flags (`broker.contract.signals.FLAGS`).

    Works for conditions that the pump measures directly. Unknown for pumps that report no flags.
    """
    return Detector(
        score=lambda _: pl.when(reports(*names)).then(REPORTED).when(pl.col("flags").is_not_null()).then(0.0)
    )


def early(name: str, signal: str, *, above: float, load: str, per_load: float) -> Detector:
    """Score a flag that is reported while `signal` plus `per_load` times `load` is still above the limit `above`.

    Works if the usual cause of the flag shows in another signal. Unknown for pumps that report no flags.
    """
    value = pl.col(signal) + per_load * pl.col(load)
    known = pl.col("flags") * 0.0 + value * 0.0
    return Detector(score=lambda _: pl.when(reports(name) & (value > above)).then(REPORTED).otherwise(0.0) + known)


def reports(*names: str) -> pl.Expr:
    """Return whether the pump reported any of these flags in the window; the engine computes these columns once."""
    first, *others = (pl.col(f"{_FLAG}{name}") for name in names)
    return reduce(or_, others, first)


def flag_set(column: str) -> pl.Expr | None:
    """Return the expression that makes a column of `reports` from the window's `flags`; None for any other column."""
    if not column.startswith(_FLAG):
        return None
    bit = FLAG_BIT[column.removeprefix(_FLAG)]
    return ((pl.col("flags").fill_null(0) & bit) != 0).alias(column)
