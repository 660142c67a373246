"""Offline playback of a scenario, as fast as possible: fleet, engine and alarms, without a broker and without waiting.

The samples are those that the gateways would send, including all effects of link faults. The processor's own code takes
them in, with therapy time as its clock.

The processor may take in several ticks at once, which is faster and leads to the same state: evaluating a few pumps
takes nearly as long as evaluating all, so samples are grouped so that windows end together.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.cohorts import NO_MEMBERS, members_of
from broker.truth.expectations import expectations
from processor.rules import RULES, Rule
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.rule import targets_of
from simulator.gateway.ground_truth import fault_facts
from simulator.playback.scenario import Scenario
from simulator.playback.simulation import Simulation
from trials.feed import Feed
from trials.offline_processor import OfflineProcessor

START_MS: Final = 1_767_571_200_000
"""2026-01-05, a Monday: therapy time at which a scenario starts if it does not give one."""


@dataclass(frozen=True)
class Playback:
    """Result of a playback: the injected faults (`INJECTIONS`), the alarms (`RAISED`) and other events.

    `start_ms` and `end_ms` are therapy time. `samples` were taken in, `rejected` were implausible. `seconds` is the
    wall-clock time of the run. `members` (`broker.contract.cohorts.MEMBERS`) lists the pumps of each cohort.
    """

    scenario: Scenario
    start_ms: int
    end_ms: int
    injections: pl.DataFrame
    alarms: pl.DataFrame
    events: pl.DataFrame
    samples: int
    rejected: int
    seconds: float
    members: pl.DataFrame = field(default_factory=NO_MEMBERS.clear)

    @property
    def pump_days(self) -> float:
        """Return the therapy days of all pumps together."""
        return self.scenario.pumps * (self.end_ms - self.start_ms) / 86_400_000


def expected(rules: tuple[Rule, ...] = RULES) -> pl.DataFrame:
    """Return which of `rules`, and of the gateway and cohort rules, are expected for which fault (`EXPECTED`)."""
    listed = (*rules, *GATEWAY_RULES, *COHORT_RULES)
    return expectations(targets_of(listed), {rule.name: rule.detection_target_h for rule in listed}, fault_facts())


def play(
    scenario: Scenario,
    days: float,
    *,
    rules: tuple[Rule, ...] = RULES,
    progress: Callable[[int, int], None] | None = None,
    separate_process: bool = False,
    turn_s: float = 0.0,
) -> Playback:
    """Play `days` of therapy time of a scenario; `progress` receives the ticks done and the total.

    The processor takes in `turn_s` of therapy time at once, at least one tick; alarms are raised at the end of a turn.
    With `separate_process` the fleet is played in its own process: same result, faster on two or more cores. Raises
    `trials.feed.FeedError` if that process ends early.
    """
    began = time.perf_counter()
    start_ms = START_MS if scenario.start_ms is None else scenario.start_ms
    ticks = max(1, round(days * 86_400 / scenario.interval_s))
    feed = Feed(scenario, start_ms, ticks)
    processor = OfflineProcessor(Simulation(scenario, start_ms=start_ms), rules)
    ticks_per_turn = max(1, round(turn_s / scenario.interval_s))
    playing = feed.play_in_process() if separate_process else feed.play()
    done = 0
    while turn := tuple(itertools.islice(playing, ticks_per_turn)):
        processor.process(*turn)
        done += len(turn)
        if progress is not None:
            progress(done, ticks)
    return Playback(
        scenario=scenario,
        start_ms=start_ms,
        end_ms=start_ms + round(ticks * scenario.interval_s * 1000),
        injections=feed.injections,
        alarms=processor.alarms(),
        events=feed.events,
        samples=processor.samples,
        rejected=processor.rejected,
        seconds=time.perf_counter() - began,
        members=members_of(processor.facts),
    )
