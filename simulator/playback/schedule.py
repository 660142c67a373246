"""Schedule of a run: the faults and events of its scenario, and those that arrive at random."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulator.faults import FAULTS
from simulator.fleet.state import U32, Fleet
from simulator.fleet.titration import course_ug_day
from simulator.fleet.wear import MAX_HAZARD, hazard
from simulator.playback.event_kinds import EVENTS
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault, selected_pumps

RANDOM_STREAM: Final = 3000
ARRIVAL_STREAM: Final = 4000
"""Each fault draws from a stream of its own, so that a new fault leaves the arrivals of the others as they were."""
DAY_S: Final = 86_400.0
DAYS_A_YEAR: Final = 365.25
CLINIC_S: Final = (9 * 3600.0, 15 * 3600.0)
REFILL_BELOW: Final = 0.2
"""Share of its reservoir below which a pump is refilled on the same day; modeling choice."""
TITRATE_ABOVE: Final = 1.07
TITRATION_S: Final = 30 * DAY_S
"""A patient in titration, or for `TITRATION_S` after it, gets a new program on the day on which the suitable dose is
more than `TITRATE_ABOVE` times the present one; modeling choices."""
MIN_SEVERITY: Final = 0.3
REPAIR_S: Final = (12 * 3600.0, 48 * 3600.0)
"""Time until a random fault is repaired; modeling choice."""

Entry = ScheduledFault | ScheduledEvent


@dataclass
class Schedule:
    """Entries in order of time; random arrivals are drawn a day ahead."""

    scenario: Scenario
    _due: list[tuple[float, int, Entry, U32]] = field(default_factory=list)
    _count: int = 0
    _days: int = 0

    def __post_init__(self) -> None:
        entries: tuple[Entry, ...] = (*self.scenario.faults, *self.scenario.events)
        for place, entry in enumerate(entries):
            self._add(entry, selected_pumps(self.scenario, place))

    @property
    def waiting(self) -> int:
        """Number of entries that have not begun, of those known by now."""
        return len(self._due)

    def begin(self, now_s: float, fleet: Fleet) -> Iterator[tuple[Entry, U32]]:
        """Yield the entries that begin until `now_s` with their pumps, in order of time, then as they were added."""
        random = self.scenario.random
        while (random.rate_factor or random.event_factor) and self._days * DAY_S <= now_s:
            self._draw(self._days, fleet)
            self._days += 1
        while self._due and self._due[0][0] <= now_s:
            _, _, entry, index = heapq.heappop(self._due)
            yield entry, index

    def _add(self, entry: Entry, index: U32) -> None:
        self._count += 1
        heapq.heappush(self._due, (entry.at_s, self._count, entry, index))

    def _draw(self, day: int, fleet: Fleet) -> None:
        scenario, begins_s = self.scenario, day * DAY_S
        rng = np.random.default_rng((scenario.seed, RANDOM_STREAM, day))
        pump_years = scenario.pumps / DAYS_A_YEAR
        for fault in FAULTS.values():
            own = np.random.default_rng((scenario.seed, ARRIVAL_STREAM, day, zlib.crc32(fault.name.encode())))
            mean = fault.rate_per_pump_year * pump_years * scenario.random.rate_factor
            grows = fault.rate_grows_with_wear
            arrivals = self._arrivals(own, mean * MAX_HAZARD if grows else mean, begins_s)
            for index, at_s in _by_wear(arrivals, fleet, own) if grows else arrivals:
                severity, hold_s = own.uniform(MIN_SEVERITY, 1), own.uniform(*REPAIR_S)
                self._add(ScheduledFault(fault.name, None, None, at_s, 0.0, hold_s, (severity,)), index)
        for name, event in EVENTS.items():
            for index, at_s in self._arrivals(rng, event.a_year * pump_years * scenario.random.event_factor, begins_s):
                change, size = rng.uniform(0.9, 1.12), rng.uniform(MIN_SEVERITY, 1)
                self._add(ScheduledEvent(name, None, None, at_s, size=size, change=change, on_course=True), index)
        if scenario.random.event_factor:
            for name, due in (("refill", _refills_due(fleet)), ("program", _titrations_due(fleet))):
                for pump, at_s in zip(due, begins_s + rng.uniform(*CLINIC_S, len(due)), strict=True):
                    visit = ScheduledEvent(name, None, None, float(at_s), change=1.0, on_course=True)
                    self._add(visit, np.array([pump], np.uint32))

    def _arrivals(self, rng: np.random.Generator, mean: float, begins_s: float) -> Iterator[tuple[U32, float]]:
        for _ in range(int(rng.poisson(mean))):
            pump = rng.integers(self.scenario.pumps, dtype=np.uint32)
            yield np.array([pump], np.uint32), begins_s + float(rng.uniform(0, DAY_S))


def _refills_due(fleet: Fleet) -> U32:
    return np.flatnonzero(fleet.programmed_ml < REFILL_BELOW * fleet.reservoir_capacity_ml).astype(np.uint32)


def _titrations_due(fleet: Fleet) -> U32:
    titrated = np.flatnonzero(fleet.settles_s > fleet.now_s - TITRATION_S).astype(np.uint32)
    return titrated[course_ug_day(fleet, titrated, fleet.now_s) > TITRATE_ABOVE * fleet.dose_ug_day[titrated]]


def _by_wear(
    arrivals: Iterator[tuple[U32, float]], fleet: Fleet, rng: np.random.Generator
) -> Iterator[tuple[U32, float]]:
    """Thin out arrivals at the rate of the most worn motor to the rate of each pump's own motor."""
    for index, at_s in arrivals:
        if rng.uniform(0, MAX_HAZARD) < hazard(fleet[index])[0]:
            yield index, at_s
