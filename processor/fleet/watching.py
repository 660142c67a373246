"""Watching: what concerns pumps that sent nothing, gateways, fleet and cohorts, judged at an interval."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from processor.alarms import lifecycle as alarm_list
from processor.alarms.hold import no_scores
from processor.alarms.subjects import Subjects
from processor.engine import engine, epochs
from processor.engine.columns import MS_PER_S
from processor.fleet.conditions import apply_scores
from processor.fleet.state import FleetState
from processor.intake.presence import UNHEARD_S
from processor.watch.gateways import BROKER_LOST_S
from processor.watch.silence import silence_scores


@dataclass
class Watching:
    """Judges the whole fleet every `interval_ms` (wall clock): it takes time, however few samples a batch has."""

    interval_ms: int = 0
    _disconnected_since: int | None = None
    _watched: int | None = None

    def advance(
        self, fleet: FleetState, subjects: Subjects, now: int, *, listening: bool, current: bool
    ) -> pl.DataFrame:
        """Score silent pumps, gateways, fleet and cohorts; return what changed.

        While the processor has no broker only the fleet is scored: after `BROKER_LOST_S` it is silent.
        """
        if not listening:
            self._disconnected_since = now if self._disconnected_since is None else min(now, self._disconnected_since)
            lost = now - self._disconnected_since >= BROKER_LOST_S * MS_PER_S
            scores = fleet.gateways.scores_without_broker(subjects) if lost else no_scores()
            return apply_scores(fleet, scores, fleet.state.clear(), subjects, now)
        self._disconnected_since = None
        recently = self._watched is not None and 0 <= now - self._watched < self.interval_ms
        if recently or not current:
            return alarm_list.no_changes()
        self._watched = now
        clocks = fleet.clocks(now)
        ages = fleet.ages(clocks)
        fleet.state = engine.with_ages(fleet.state, ages, fleet.rules)
        numbers = pl.int_range(fleet.state.height, dtype=pl.UInt32, eager=True)
        pumps = fleet.state.with_columns(numbers.alias("pump"), ages.alias("age"), clocks.alias("now"))
        offline = fleet.registry.gateways.in_states("offline")
        scores = pl.concat(
            [
                fleet.gateways.scores(pumps, fleet.timers, subjects, offline=offline, rules=fleet.rules),
                fleet.cohorts.scores(fleet.state, fleet.timers, subjects, ages_s=ages),
                silence_scores(pumps, fleet.timers, fleet.rules),
            ]
        )
        return apply_scores(fleet, scores, pumps, subjects, now)


def note_presence(fleet: FleetState, counted: pl.Series, now: int, *, listening: bool) -> None:
    """Record of which pumps samples were taken since there were so many (`counted`), and whom nobody hears."""
    presence = fleet.registry.presence
    presence.pass_time(now, listening=listening)
    taken = (fleet.state["samples"] != counted).arg_true().to_numpy()
    for number in presence.hear(taken):
        fleet.registry.reinstate_pump(int(number), "it sends again")
    if (fleet.state[epochs.STALE_RUN] != 0).any():
        unheard = fleet.registry.unheard_s() >= UNHEARD_S
        fleet.state = epochs.call_for_epochs(fleet.state, unheard)


def note_clock_faults(fleet: FleetState, pumps: pl.Series) -> None:
    """Count pumps whose samples were rejected for their times; one that was retired is back."""
    if pumps.is_empty():
        return
    fleet.state = engine.count_clock_faults(fleet.state, pumps)
    retired = fleet.registry.presence.retired
    for number in pumps:
        if retired[number]:
            fleet.registry.reinstate_pump(number, "it sends again, with impossible times", heard=False)
