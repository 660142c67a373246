"""Placement of a wave in the state: its pumps' rows are read and written at the cost of the wave, not of the fleet.

The state has hundreds of columns, and a fleet may have a million rows. Gateways speak for pumps with neighbouring
numbers, so a wave consists of a few runs of rows. Runs are read as slices, and written by joining the slices around
them to the new rows: neither copies anything. Columns therefore consist of several chunks, whose number is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

SMALL: Final = 16_384
"""Rows up to which the state is one run: copying a column is quicker than joining slices of it."""
MAX_RUNS: Final = 256
MIN_GAP: Final = 256
"""Rows between two runs, at least; fewer are copied."""
MAX_CHUNKS: Final = 1024
"""Chunks of a column, at most; if there are more, they are copied into one."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows `start` to `stop` of the state, in which the rows `first` to `last` of the wave belong."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def complete(self) -> bool:
        return self.stop - self.start == self.last - self.first


@dataclass(frozen=True)
class Places:
    """Where the rows of `pumps` (UInt32, ascending, each once) are in a state of `height` rows."""

    pumps: pl.Series
    height: int
    _runs: tuple[_Run, ...]

    @classmethod
    def of(cls, pumps: pl.Series, height: int) -> Places:
        """Find the runs of these pumps in a state of `height` rows."""
        return cls(pumps, height, tuple(_runs(pumps, height)) if pumps.len() else ())

    def read(self, state: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the pumps, in one chunk."""
        parts = [self._read(state, run) for run in self._runs]
        return pl.concat(parts, rechunk=True) if parts else state.head(0)

    def write(self, state: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the state with the columns of `rows`, a row per pump, in place of its own."""
        if not self._runs:
            return state
        columns = state[rows.columns]
        parts, end = [], 0
        for run in self._runs:
            parts += [columns[end : run.start], self._written(columns, rows, run)]
            end = run.stop
        parts.append(columns[end:])
        written = joined(parts)
        return replaced(state, {column.name: column for column in written.get_columns()})

    def _read(self, state: pl.DataFrame, run: _Run) -> pl.DataFrame:
        rows = state[run.start : run.stop]
        return rows if run.complete else rows[self._inside(run)]

    def _written(self, columns: pl.DataFrame, rows: pl.DataFrame, run: _Run) -> pl.DataFrame:
        part = rows[run.first : run.last]
        if run.complete:
            return part
        inside = self._inside(run)
        before = columns[run.start : run.stop]
        return pl.DataFrame([before[column.name].scatter(inside, column) for column in part.get_columns()])

    def _inside(self, run: _Run) -> pl.Series:
        return self.pumps[run.first : run.last] - run.start


def joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return these parts of the state as one, in one chunk if it is small or has too many."""
    whole = pl.concat([part for part in parts if part.height] or parts[:1], rechunk=False)
    many = 1 if whole.height <= SMALL else MAX_CHUNKS
    return whole.rechunk() if max(whole.n_chunks("all")) > many else whole


def ascending(wave: pl.DataFrame) -> pl.DataFrame:
    """Return a wave in the order of its pumps."""
    pumps = wave["pump"].to_numpy()
    if (pumps[1:] > pumps[:-1]).all():
        return wave
    # The pumps of each gateway ascend, so this is a merge of a few runs.
    return wave[np.argsort(pumps, kind="stable")]


def replaced(rows: pl.DataFrame, values: dict[str, pl.Series]) -> pl.DataFrame:
    """Return the rows with the named columns replaced."""
    after = rows.clone()
    for at, name in enumerate(rows.columns):
        if name in values:
            after.replace_column(at, values[name].alias(name))
    return after


def _runs(pumps: pl.Series, height: int) -> list[_Run]:
    """Return the runs of pumps: the widest gaps between them are left out, as many as `MAX_RUNS` allows."""
    if height <= SMALL:
        return [_Run(0, height, 0, pumps.len())]
    numbers = pumps.to_numpy().astype(np.int64)
    gaps = np.diff(numbers)
    wide = np.flatnonzero(gaps > MIN_GAP)
    if len(wide) >= MAX_RUNS:
        wide = np.sort(wide[np.argpartition(gaps[wide], -(MAX_RUNS - 1))[-(MAX_RUNS - 1) :]])
    firsts = np.concatenate(([0], wide + 1))
    lasts = np.concatenate((wide + 1, [len(numbers)]))
    return [
        _Run(int(numbers[first]), int(numbers[last - 1]) + 1, int(first), int(last))
        for first, last in zip(firsts, lasts, strict=True)
    ]
