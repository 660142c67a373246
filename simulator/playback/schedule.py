"""This file is what is still to come: the scenario's faults and events, and those that come by themselves."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulator.faults import FAULTS
from simulator.fleet.state import U32, Fleet
from simulator.fleet.titration import course_ug_day
from simulator.fleet.wear import MAX_HAZARD, hazard
from simulator.playback.events import EVENTS
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault, selected_pumps

RANDOM_STREAM: Final = 3000
DAY_S: Final = 86_400.0
DAYS_A_YEAR: Final = 365.25
CLINIC_S: Final = (9 * 3600.0, 15 * 3600.0)
EMPTYING: Final = 0.2
"""Below this share of its reservoir a pump has an appointment on the same day; modelling choice."""
BEHIND: Final = 1.07
YOUNG_S: Final = 30 * DAY_S
"""A patient whose dose still grows, or did until lately, has an appointment on the day on which the dose that suits is
more than `BEHIND` times the one given; modelling choices."""
MIN_SEVERITY: Final = 0.3
REPAIRED_S: Final = (12 * 3600.0, 48 * 3600.0)
"""How long a fault that came by itself stays until somebody has mended it; modelling choice."""

Planned = ScheduledFault | ScheduledEvent


@dataclass
class Agenda:
    """Gives what begins, by time; arrivals are drawn a day ahead, each day by its own random stream."""

    scenario: Scenario
    _due: list[tuple[float, int, Planned, U32]] = field(default_factory=list)
    _count: int = 0
    _days: int = 0

    def __post_init__(self) -> None:
        listed: tuple[Planned, ...] = (*self.scenario.faults, *self.scenario.events)
        for place, planned in enumerate(listed):
            self._plan(planned, selected_pumps(self.scenario, place))

    def begin(self, now_s: float, fleet: Fleet) -> Iterator[tuple[Planned, U32]]:
        """Give what begins until `now_s`, with its pumps, in order of time, then as it was planned."""
        random = self.scenario.random
        while (random.rate_factor or random.event_factor) and self._days * DAY_S <= now_s:
            self._draw(self._days, fleet)
            self._days += 1
        while self._due and self._due[0][0] <= now_s:
            _, _, planned, index = heapq.heappop(self._due)
            yield planned, index

    def _plan(self, planned: Planned, index: U32) -> None:
        self._count += 1
        heapq.heappush(self._due, (planned.at_s, self._count, planned, index))

    def _draw(self, day: int, fleet: Fleet) -> None:
        scenario, begins_s = self.scenario, day * DAY_S
        rng = np.random.default_rng((scenario.seed, RANDOM_STREAM, day))
        many = scenario.pumps / DAYS_A_YEAR
        for fault in FAULTS.values():
            mean, by_wear = fault.rate_per_pump_year * many * scenario.random.rate_factor, fault.rate_grows_with_wear
            arrivals = self._arrivals(rng, mean * MAX_HAZARD if by_wear else mean, begins_s)
            for index, at_s in _by_wear(arrivals, fleet, rng) if by_wear else arrivals:
                severity, hold_s = rng.uniform(MIN_SEVERITY, 1), rng.uniform(*REPAIRED_S)
                self._plan(ScheduledFault(fault.name, None, None, at_s, 0.0, hold_s, (severity,)), index)
        for name, event in EVENTS.items():
            for index, at_s in self._arrivals(rng, event.a_year * many * scenario.random.event_factor, begins_s):
                change, size = rng.uniform(0.9, 1.12), rng.uniform(MIN_SEVERITY, 1)
                self._plan(ScheduledEvent(name, None, None, at_s, size=size, change=change, on_course=True), index)
        if scenario.random.event_factor:
            for name, due in (("refill", _emptying(fleet)), ("program", _behind(fleet))):
                for pump, at_s in zip(due, begins_s + rng.uniform(*CLINIC_S, len(due)), strict=True):
                    visit = ScheduledEvent(name, None, None, float(at_s), change=1.0, on_course=True)
                    self._plan(visit, np.array([pump], np.uint32))

    def _arrivals(self, rng: np.random.Generator, mean: float, begins_s: float) -> Iterator[tuple[U32, float]]:
        for _ in range(int(rng.poisson(mean))):
            pump = rng.integers(self.scenario.pumps, dtype=np.uint32)
            yield np.array([pump], np.uint32), begins_s + float(rng.uniform(0, DAY_S))


def _emptying(fleet: Fleet) -> U32:
    return np.flatnonzero(fleet.programmed_ml < EMPTYING * fleet.reservoir_capacity_ml).astype(np.uint32)


def _behind(fleet: Fleet) -> U32:
    young = np.flatnonzero(fleet.settles_s > fleet.now_s - YOUNG_S).astype(np.uint32)
    return young[course_ug_day(fleet, young, fleet.now_s) > BEHIND * fleet.dose_ug_day[young]]


def _by_wear(
    arrivals: Iterator[tuple[U32, float]], fleet: Fleet, rng: np.random.Generator
) -> Iterator[tuple[U32, float]]:
    """Let each arrival of a rate that was raised by `MAX_HAZARD` through as often as its pump's motor is worn."""
    for index, at_s in arrivals:
        if rng.uniform(0, MAX_HAZARD) < hazard(fleet[index])[0]:
            yield index, at_s
