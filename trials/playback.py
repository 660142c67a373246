"""This file plays a scenario as fast as it can: fleet → engine → alarms, without broker and clock.

The samples are those that the gateways would send, with all that link faults do to them; the processor takes them in
with the code of the live one, with therapy time as the time on the wall. Every alarm is acknowledged at once, so that
each time it is raised counts anew.

The processor may take in several ticks at a turn, which leads to the same state sooner. Then the samples are put
together so that windows end together, as judging few pumps takes nearly as long as judging all.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from broker.contract.actions import Acknowledge
from broker.contract.cohorts import NO_MEMBERS, members_of
from broker.contract.gateway_messages import Birth
from broker.contract.topics import shard_of
from broker.truth.alarm_history import ENDS, RAISED
from broker.truth.expectations import expectations
from processor.engine import engine
from processor.engine.sequence import REDELIVERED
from processor.engine.windows import WINDOW_S
from processor.intake.inbox import Batch
from processor.pipeline import Pipeline
from processor.rules import RULES, Rule
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.rule import targets_of
from processor.view import forecast
from simulator.faults import FAULTS
from simulator.gateway.ground_truth import fault_facts
from simulator.gateway.service import gateways_for
from simulator.playback.scenario import Scenario
from simulator.playback.simulation import Simulation
from trials.feed import Feed, FeedTick

START_MS: Final = 1_767_571_200_000
"""2026-01-05, a Monday: the therapy time at which a scenario begins that does not say."""


@dataclass(frozen=True)
class Playback:
    """How a scenario went: what was really wrong (`INJECTIONS`), what was alarmed (`RAISED`), and what else happened.

    `members` (`broker.contract.cohorts.MEMBERS`) says which pumps are in which cohort.

    `refused` counts samples that could not be, `seconds` is how long the machine took.
    """

    scenario: Scenario
    start_ms: int
    end_ms: int
    injections: pl.DataFrame
    alarms: pl.DataFrame
    events: pl.DataFrame
    samples: int
    refused: int
    seconds: float
    members: pl.DataFrame = field(default_factory=NO_MEMBERS.clear)

    @property
    def pump_days(self) -> float:
        """Therapy days of all pumps together."""
        return self.scenario.pumps * (self.end_ms - self.start_ms) / 86_400_000


def expected(rules: tuple[Rule, ...] = RULES) -> pl.DataFrame:
    """Return which of these rules, and of those of gateways and cohorts, are expected for which fault (`EXPECTED`)."""
    listed = (*rules, *GATEWAY_RULES, *COHORT_RULES)
    return expectations(targets_of(listed), {rule.name: rule.detection_target_h for rule in listed}, fault_facts())


def play(
    scenario: Scenario,
    days: float,
    *,
    rules: tuple[Rule, ...] = RULES,
    say: Callable[[int, int], None] | None = None,
    beside: bool = False,
    turn_s: float = 0.0,
) -> Playback:
    """Play `days` of therapy time of a scenario; `say` hears the ticks done and the ticks in all.

    The processor takes in what was heard in `turn_s` of therapy time at once, and each tick by itself where that is
    shorter; alarms are up at the end of a turn. With `beside` the fleet is played in a process of its own: the same,
    and sooner where there are two processors. Raises `trials.feed.FeedError` where that fails.
    """
    began = time.perf_counter()
    start_ms = START_MS if scenario.start_ms is None else scenario.start_ms
    ticks = max(1, round(days * 86_400 / scenario.interval_s))
    feed = Feed(scenario, start_ms, ticks)
    watch = Watch(Simulation(scenario, start_ms=start_ms), rules)
    each = max(1, round(turn_s / scenario.interval_s))
    heard = feed.beside() if beside else feed.here()
    done = 0
    while turn := tuple(itertools.islice(heard, each)):
        watch.see(*turn)
        done += len(turn)
        if say is not None:
            say(done, ticks)
    return Playback(
        scenario=scenario,
        start_ms=start_ms,
        end_ms=start_ms + round(ticks * scenario.interval_s * 1000),
        injections=feed.injections,
        alarms=watch.alarms(),
        events=feed.events,
        samples=watch.samples,
        refused=watch.refused,
        seconds=time.perf_counter() - began,
        members=members_of(watch.facts),
    )


def window_by_window(batch: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Split a batch (with `pump` as row numbers) into waves, so that the first samples of windows come together.

    Windows are counted back from each pump's latest one: what several pumps held back for hours then takes no more
    waves than what one did.
    """
    if batch.height == 0 or batch["pump"].n_unique() == batch.height:
        yield from engine.waves(batch)
        return
    # A sample out of order belongs to no window any more; it keeps its place behind what was heard before it.
    window = (pl.col("time") // round(WINDOW_S * 1000)).cum_max().over("pump")
    count = (
        (pl.col(".window") != pl.col(".window").shift(1)).fill_null(value=False).cum_sum().cast(pl.Int64).over("pump")
    )
    placed = (
        batch.with_columns(window.alias(".window"))
        .with_columns(count.alias(".window"))
        .with_columns(pl.col(".window") - pl.col(".window").max().over("pump"))
        .with_columns(pl.int_range(pl.len()).over("pump", ".window").alias(".place"))
    )
    ordered = placed.sort(".window", ".place", maintain_order=True)
    yield from ordered.partition_by(".window", ".place", maintain_order=True, include_key=False)


@dataclass
class _Raised:
    """An alarm from when it was raised; `shown` is when no other alarm held it first."""

    alarm: str
    pump: str
    rule: str
    priority: int
    raised: int
    shown: int | None = None
    returned: int | None = None


@dataclass
class Watch:
    """The processor, and the book of its alarms; `simulation` only introduces its pumps."""

    simulation: Simulation
    rules: tuple[Rule, ...] = RULES
    samples: int = 0
    refused: int = 0
    _book: list[_Raised] = field(default_factory=list)
    _standing: dict[str, _Raised] = field(default_factory=dict)
    _unseen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pipeline = Pipeline(self.rules, split=window_by_window)
        self._introduce()

    def _introduce(self) -> None:
        """Let the gateways be born; they name the pumps in the order of their indices, which become their numbers."""
        simulation, now = self.simulation, self.simulation.time_ms
        pumps, count = simulation.scenario.pumps, gateways_for(simulation.scenario.pumps)
        edges = np.linspace(0, pumps, count + 1).astype(int).tolist()
        for number, (first, last) in enumerate(itertools.pairwise(edges)):
            name = f"gateway-{number:05d}"
            birth = Birth(
                gateway=name,
                pumps=simulation.describe(range(first, last)),
                sent=now,
                time=now,
                interval_s=simulation.scenario.interval_s,
                faults=list(FAULTS),
            )
            self._pipeline.registry.apply_birth(birth, shard_of(name), now)

    def see(self, *turn: FeedTick) -> None:
        """Take in what the gateways sent until one or more instants; the samples of each are ascending by index."""
        now = turn[-1].now
        for heard in turn:
            self.refused += heard.refused
            self.samples += heard.samples.height
            self._pipeline.registry.hear(heard.samples["index"], heard.samples["time"], heard.now)
        actions = (Acknowledge(id=str(now), alarms=self._unseen, who="trial", at=now),) if self._unseen else ()
        self._unseen = []
        heard_now = pl.concat([heard.samples for heard in turn])
        redelivered = pl.lit(value=False).alias(REDELIVERED)
        samples = heard_now.with_columns(pl.col("index").alias("pump"), redelivered).drop("index")
        self._note(self._pipeline.advance(Batch(samples, actions), now).changes, now)

    @property
    def facts(self) -> pl.DataFrame:
        """What the births told of the pumps, a row each."""
        return self._pipeline.registry.facts()

    def forecasts(self, now: int) -> pl.DataFrame:
        """Return what is forecast of each pump (`FORECASTS_SCHEMA`) at `now` (therapy ms), by its index."""
        pipeline = self._pipeline
        registry = pipeline.registry
        return forecast.forecasts(pipeline.state, pipeline.alarms, registry.facts(), registry.clocks(now), self.rules)

    def _note(self, changes: pl.DataFrame, now: int) -> None:
        if changes.height == 0:
            return
        named = changes.with_columns(self._pipeline.subjects(now).names(changes))
        told = named.select("kind", "alarm", "subject", "rule", "priority")
        for kind, alarm, subject, rule, priority in told.iter_rows():
            if kind == "raised":
                raised = _Raised(alarm, subject, rule, priority, now)
                self._book.append(raised)
                self._standing[alarm] = raised
                self._unseen.append(alarm)
            elif kind in ENDS and alarm in self._standing:
                self._standing.pop(alarm).returned = now
        alarms = self._pipeline.alarms
        for alarm in alarms.filter(pl.col("under").is_null() & pl.col("returned").is_null())["alarm"]:
            if self._standing[alarm].shown is None:
                self._standing[alarm].shown = now

    def alarms(self) -> pl.DataFrame:
        """Return every alarm (`RAISED`), in the order in which they were raised."""
        return pl.DataFrame([vars(each) for each in self._book], RAISED)
