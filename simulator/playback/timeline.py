"""Time line of the scenario that plays: it can be paused, stopped and replaced while the fleet goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulator.fleet.state import U32, Fleet
from simulator.playback.scenario import Scenario
from simulator.playback.schedule import Entry, Schedule


@dataclass
class Timeline:
    """Plays a scenario's schedule tick by tick; while it does not play, its clock stands still.

    `affected` are the pumps on which it began each fault or event.
    """

    scenario: Scenario
    playing: bool = True
    affected: dict[str, U32] = field(default_factory=dict)
    _schedule: Schedule = field(init=False)
    _ticks: int = 0

    def __post_init__(self) -> None:
        self._schedule = Schedule(self.scenario)

    @property
    def position_s(self) -> float:
        """Seconds since its start, without pauses."""
        return self._ticks * self.scenario.interval_s

    @property
    def remaining(self) -> int:
        """Number of entries that have not begun."""
        return self._schedule.waiting

    def begin(self, fleet: Fleet) -> list[tuple[Entry, U32]]:
        """Return the entries that begin with the tick that begins now, each with its pumps."""
        if not self.playing:
            return []
        begun = list(self._schedule.begin(self.position_s, fleet))
        self._ticks += 1
        for entry, index in begun:
            known = self.affected.get(entry.name)
            self.affected[entry.name] = index if known is None else np.union1d(known, index).astype(np.uint32)
        return begun
