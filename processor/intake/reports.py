"""What births reported about their pumps, until it is put into the rows of these pumps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.gateway_messages import Pumps

REPORTED: Final[dict[str, tuple[str, pl.DataType]]] = {
    "site": ("site", pl.String()),
    "model": ("model", pl.String()),
    "lot": ("lot", pl.String()),
    "group": ("group", pl.String()),
    "reservoir_capacity_ml": ("reservoir_ml", pl.Float32()),
    "concentration_ug_ml": ("concentration_ug_ml", pl.Float32()),
    "prescription": ("program", pl.String()),
    "dose_ug_day": ("dose_ug_day", pl.Float32()),
}
"""What a birth reports about each pump: the columns of `PumpFacts.frame`, and their names in a birth."""
SCHEMA: Final = {name: dtype for name, (_, dtype) in REPORTED.items()}
GATHERED: Final = 1_000
"""Pumps whose reports are gathered before they become a frame: a frame costs as much as those of some hundred pumps,
and as Python's objects they take ten times the memory."""

Ints = npt.NDArray[np.int64]


def _no_values() -> dict[str, list[Any]]:
    return {name: [] for name in SCHEMA}


@dataclass
class Reports:
    """Reports in the order of their births."""

    _frames: list[tuple[Ints, pl.DataFrame]] = field(default_factory=list)
    _numbers: list[Ints] = field(default_factory=list)
    _values: dict[str, list[Any]] = field(default_factory=_no_values)

    def add(self, numbers: Ints, pumps: Pumps, own: npt.NDArray[np.bool_] | None = None) -> None:
        """Take what a birth reports of its pumps, which have these numbers; a column that it lacks is unknown.

        What it says of pumps that are not its `own` is ignored (None: all are).
        """
        for name, (source, _) in REPORTED.items():
            values = getattr(pumps, source) or [None] * len(numbers)
            self._values[name] += values if own is None else [values[place] for place in np.flatnonzero(own).tolist()]
        self._numbers.append(numbers if own is None else numbers[own])
        if len(self._values["site"]) >= GATHERED:
            self._gather()

    def take(self) -> tuple[Ints, pl.DataFrame]:
        """Return the numbers of the pumps, once for each birth that named them, and what it reported (`SCHEMA`)."""
        self._gather()
        frames, self._frames = self._frames, []
        if not frames:
            return np.empty(0, np.int64), pl.DataFrame(schema=SCHEMA)
        numbers = np.concatenate([numbers for numbers, _ in frames])
        return numbers, pl.concat([values for _, values in frames], rechunk=True)

    def _gather(self) -> None:
        if self._numbers:
            self._frames.append((np.concatenate(self._numbers), pl.DataFrame(self._values, schema=SCHEMA)))
            self._numbers, self._values = [], _no_values()
