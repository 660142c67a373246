"""Therapy clock of each gateway, by vote: it stands where the clocks of most of its pumps stand.

One message is too little to go by: all its samples may be of one pump that was out of reach, or most of them of pumps
whose clocks are wrong. So every pump has a vote: the time of its last sample, plus what has passed since. The vote
counts until the pump has missed some samples, whether it is alone in a message or among a thousand, and whatever else
arrives with it. Pumps whose clocks are wrong, or which are far behind, do not decide as long as they are fewer than
half. If all are behind, as when a gateway sends what it kept during an outage, its clock is behind as well, and no pump
seems silent because of that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

MISSED: Final = 3
"""A pump's vote counts until it has missed this many samples, as far apart as its last two. Modelling choice."""
MAX_MS: Final = 480_000
"""Therapy time that a vote counts at most: after that the pump is silent itself, by the shortest limit for silence."""
NEVER: Final = -(2**53)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Owners:
    """The gateway of each pump (`of_pump`), and all `pumps` in the order of their `gateways`; all of them numbers."""

    of_pump: Ints
    pumps: Ints
    gateways: Ints

    @classmethod
    def of(cls, of_pump: Ints) -> Owners:
        """Return the owners as they are by pump."""
        pumps = np.argsort(of_pump, kind="stable")
        return cls(of_pump, pumps, of_pump[pumps])


@dataclass
class ClockVotes:
    """The vote of each pump, by number: its therapy time (ms), when it was heard, for how long it counts (wall ms)."""

    _therapy: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _heard: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _valid: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def presume(self, pumps: Ints, therapy_ms: int, wall_ms: int, speed: float) -> None:
        """Let pumps vote for the time in the birth of their gateway until they send samples of their own."""
        self._grow(int(pumps.max(initial=-1)) + 1)
        self._therapy[pumps], self._heard[pumps], self._valid[pumps] = therapy_ms, wall_ms, MAX_MS / speed

    def record(self, pumps: Ints, times_ms: Ints, wall_ms: int, max_valid_ms: Ints) -> None:
        """Record samples in order of arrival; `max_valid_ms` is how long each vote counts at most (wall ms)."""
        self._grow(int(pumps.max(initial=-1)) + 1)
        missed = MISSED * (wall_ms - self._heard[pumps])
        # Duplicates and bursts must not end a pump's vote a moment later.
        self._valid[pumps] = np.clip(missed, self._valid[pumps] // 4, max_valid_ms)
        # Of several samples of a pump the last one stays.
        self._therapy[pumps], self._heard[pumps] = times_ms, wall_ms

    def clocks(self, pumps: Ints, gateways: Ints, speed: Floats, wall_ms: int) -> tuple[Ints, Ints]:
        """Return the gateways for which any of these pumps votes, ascending, and where their clocks stand.

        `gateways` (ascending) are those of the pumps, `speed` is that of every gateway.
        """
        waited = wall_ms - self._heard[pumps]
        votes = waited <= self._valid[pumps]
        if not votes.all():
            pumps, gateways, waited = pumps[votes], gateways[votes], waited[votes]
        now = self._therapy[pumps]
        if waited.any():
            now += (np.maximum(waited, 0) * speed[gateways]).astype(np.int64)
        return _medians(gateways, now)

    def hear(self, pumps: Ints, times_ms: Ints, wall_ms: int, *, owners: Owners, speed: Floats) -> tuple[Ints, Ints]:
        """Record samples in order of arrival; return the gateways that sent them and where their clocks stand now."""
        # A pump may be known without ever having voted: its times were implausible.
        self._grow(len(owners.of_pump))
        speakers = owners.of_pump[pumps]
        self.record(pumps, times_ms, wall_ms, (MAX_MS / speed).astype(np.int64)[speakers])
        spoke = np.zeros(len(speed), np.bool_)
        spoke[speakers] = True
        members, gateways = owners.pumps, owners.gateways
        if not spoke.all():
            present = spoke[gateways]
            members, gateways = members[present], gateways[present]
        return self.clocks(members, gateways, speed, wall_ms)

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`: the age of every vote stays."""
        self._heard += step_ms

    def _grow(self, pumps: int) -> None:
        known = len(self._therapy)
        if pumps > known:
            more = max(pumps, 2 * known) - known
            self._therapy = np.append(self._therapy, np.zeros(more, np.int64))
            self._heard = np.append(self._heard, np.full(more, NEVER))
            self._valid = np.append(self._valid, np.zeros(more, np.int64))


def _medians(groups: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return each of the groups (ascending) and the median of its values; of an even number, the lower one.

    The mean of the two would be a time at which no clock stands.
    """
    if not len(groups):
        return groups, values
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    found, median = groups[starts], np.minimum.reduceat(values, starts)
    differ = median != np.maximum.reduceat(values, starts)
    # Nearly always all clocks of a gateway agree, and a median costs a hundred times as much.
    if differ.any():
        rows = np.repeat(differ, np.diff(starts, append=len(groups)))
        votes = pl.DataFrame({"group": pl.Series(groups[rows]).set_sorted(), "value": values[rows]})
        lower = pl.col("value").quantile(0.5, "lower").cast(pl.Int64)
        median[differ] = votes.group_by("group", maintain_order=True).agg(lower)["value"].to_numpy()
    return found, median
