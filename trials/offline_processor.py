"""Processor of an offline run: the live pipeline with therapy time as its clock, and a record of its alarms."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from broker.contract.actions import Acknowledge
from broker.contract.gateway_messages import Birth
from broker.contract.topics import shard_of
from broker.truth.alarm_history import ENDS, RAISED
from processor.engine.sequence import REDELIVERED
from processor.engine.waves import waves
from processor.engine.windows import WINDOW_S
from processor.intake.inbox import Batch
from processor.pipeline import Pipeline
from processor.rules import RULES, Rule
from processor.view import forecast
from simulator.faults import FAULTS
from simulator.gateway.settings import gateways_for
from simulator.playback.simulation import Simulation
from trials.feed import FeedTick


def window_by_window(batch: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Split a batch (with `pump` as row numbers) into waves in which the windows of all pumps start together.

    Windows are counted back from each pump's latest one, so that backlogs of several pumps take no more waves than
    the backlog of one.
    """
    if batch.height == 0 or batch["pump"].n_unique() == batch.height:
        yield from waves(batch)
        return
    # An out-of-order sample belongs to no window any more; it stays behind the samples that arrived before it.
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
class _RaisedAlarm:
    """One row of `RAISED`; `shown` is when no other alarm suppressed it for the first time."""

    alarm: str
    pump: str
    rule: str
    priority: int
    raised: int
    shown: int | None = None
    returned: int | None = None


@dataclass
class OfflineProcessor:
    """The processor's pipeline and the record of its alarms; `simulation` is only used to register the pumps.

    Every alarm is acknowledged at once, so that each recurrence is a new alarm. `samples` counts the samples taken in,
    `rejected` the implausible ones.
    """

    simulation: Simulation
    rules: tuple[Rule, ...] = RULES
    samples: int = 0
    rejected: int = 0
    _history: list[_RaisedAlarm] = field(default_factory=list)
    _standing: dict[str, _RaisedAlarm] = field(default_factory=dict)
    _unacknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pipeline = Pipeline(self.rules, split=window_by_window)
        self._register_pumps()

    def _register_pumps(self) -> None:
        """Apply the births of all gateways; they list the pumps by index, so each pump's row number is its index."""
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

    def process(self, *ticks: FeedTick) -> None:
        """Process the samples of one or more ticks as one batch; the samples of each tick are ascending by index."""
        now = ticks[-1].now
        for tick in ticks:
            self.rejected += tick.rejected
            self.samples += tick.samples.height
            self._pipeline.registry.hear(tick.samples["index"], tick.samples["time"], tick.now)
        alarms, self._unacknowledged = self._unacknowledged, []
        actions = (Acknowledge(id=str(now), alarms=alarms, who="trial", at=now),) if alarms else ()
        received = pl.concat([tick.samples for tick in ticks])
        redelivered = pl.lit(value=False).alias(REDELIVERED)
        samples = received.with_columns(pl.col("index").alias("pump"), redelivered).drop("index")
        self._record(self._pipeline.advance(Batch(samples, actions), now).changes, now)

    @property
    def facts(self) -> pl.DataFrame:
        """Return the registry's facts about the pumps, one row each."""
        return self._pipeline.registry.facts()

    def forecasts(self, now: int) -> pl.DataFrame:
        """Return the forecasts of all pumps (`FORECASTS_SCHEMA`) at `now` (therapy ms), in the order of their index."""
        pipeline = self._pipeline
        registry = pipeline.registry
        return forecast.forecasts(pipeline.state, pipeline.alarms, registry.facts(), registry.clocks(now), self.rules)

    def alarms(self) -> pl.DataFrame:
        """Return every alarm so far (`RAISED`), in the order in which they were raised."""
        return pl.DataFrame([vars(alarm) for alarm in self._history], RAISED)

    def _record(self, changes: pl.DataFrame, now: int) -> None:
        if changes.height == 0:
            return
        named = changes.with_columns(self._pipeline.subjects(now).names(changes))
        rows = named.select("kind", "alarm", "subject", "rule", "priority")
        for kind, alarm, subject, rule, priority in rows.iter_rows():
            if kind == "raised":
                raised = _RaisedAlarm(alarm, subject, rule, priority, now)
                self._history.append(raised)
                self._standing[alarm] = raised
                self._unacknowledged.append(alarm)
            elif kind in ENDS and alarm in self._standing:
                self._standing.pop(alarm).returned = now
        alarms = self._pipeline.alarms
        for alarm in alarms.filter(pl.col("under").is_null() & pl.col("returned").is_null())["alarm"]:
            if self._standing[alarm].shown is None:
                self._standing[alarm].shown = now
