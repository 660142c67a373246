"""This file tells where the therapy clock of a gateway stands: where the clocks of most pumps that it hears stand.

One message says too little: the samples in it may be all of one pump that was out of reach, or most of them of pumps
whose clocks are wrong. So every pump has a vote: the time it said last, run on since then. It keeps it until it has
missed some samples, whether it is alone in a message or among a thousand, and whatever else comes with it. Pumps whose
clocks are wrong, or which are far behind, do not decide as long as they are fewer than half. Where all are behind, as
when a gateway sends what it kept in an outage, its clock is behind too, and nobody seems silent for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

MISSED: Final = 3
"""A pump votes until it has missed so many samples, as far apart as its last two; modelling choice."""
MAX_MS: Final = 480_000
"""A pump votes for so much therapy time at most: after that it is silent itself, by the shortest patience."""
NEVER: Final = -(2**53)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass
class ClockVotes:
    """What each pump, by number, last said of the time: therapy ms, when it was heard, and for how long that counts.

    The latter two are wall ms.
    """

    _said: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _heard: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _lasts: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def presume(self, pumps: Ints, therapy_ms: int, wall_ms: int, speed: float) -> None:
        """Let pumps stand where their gateway said in its birth that it stands, until they speak for themselves."""
        self._grow(int(pumps.max(initial=-1)) + 1)
        self._said[pumps], self._heard[pumps], self._lasts[pumps] = therapy_ms, wall_ms, MAX_MS / speed

    def take(self, pumps: Ints, times_ms: Ints, wall_ms: int, longest_ms: Ints) -> None:
        """Note samples in order of arrival; `longest_ms` is for each how long on the wall its vote counts at most."""
        self._grow(int(pumps.max(initial=-1)) + 1)
        missed = MISSED * (wall_ms - self._heard[pumps])
        # What comes twice, or in a rush, is not to take a pump's vote a moment later.
        self._lasts[pumps] = np.clip(missed, self._lasts[pumps] // 4, longest_ms)
        # Of a pump with more than one sample the last one stays.
        self._said[pumps], self._heard[pumps] = times_ms, wall_ms

    def stand(self, pumps: Ints, gateways: Ints, speed: Floats, wall_ms: int) -> tuple[Ints, Ints]:
        """Return the gateways of which any of these pumps votes, ascending, and where their clocks stand.

        `gateways` (ascending) are those of the pumps, `speed` is that of every gateway.
        """
        waited = wall_ms - self._heard[pumps]
        votes = waited <= self._lasts[pumps]
        if not votes.all():
            pumps, gateways, waited = pumps[votes], gateways[votes], waited[votes]
        now = self._said[pumps]
        if waited.any():
            now += (np.maximum(waited, 0) * speed[gateways]).astype(np.int64)
        return _middle(gateways, now)

    def clock_set(self, step_ms: int) -> None:
        """Note that the wall clock was set by so much: what was heard was heard as long ago as before."""
        self._heard += step_ms

    def _grow(self, pumps: int) -> None:
        more = max(pumps, 2 * len(self._said)) - len(self._said) if pumps > len(self._said) else 0
        if more:
            self._said = np.append(self._said, np.zeros(more, np.int64))
            self._heard = np.append(self._heard, np.full(more, NEVER))
            self._lasts = np.append(self._lasts, np.zeros(more, np.int64))


def _middle(groups: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return each of the groups (ascending) and the middle of its values, of an even number the lower one.

    A mean of the two would be a time at which no clock stands.
    """
    if not len(groups):
        return groups, values
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    found, middle = groups[starts], np.minimum.reduceat(values, starts)
    differ = middle != np.maximum.reduceat(values, starts)
    # Nearly always all clocks of a gateway agree, and looking for the middle costs a hundred times as much.
    if differ.any():
        rows = np.repeat(differ, np.diff(starts, append=len(groups)))
        told = pl.DataFrame({"group": pl.Series(groups[rows]).set_sorted(), "value": values[rows]})
        lower = pl.col("value").quantile(0.5, "lower").cast(pl.Int64)
        middle[differ] = told.group_by("group", maintain_order=True).agg(lower)["value"].to_numpy()
    return found, middle
