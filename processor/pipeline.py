"""This file holds the processor's state together: inbox → waves → engine → alarms, and the snapshot of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.actions import Action, Outcome, ServiceAction
from broker.contract.alarm_events import AlarmEvent
from broker.contract.cohorts import FLEET
from broker.contract.subjects import names_system
from broker.mqtt.link import Message
from broker.store.journal import Head
from broker.store.snapshot import Health, Snapshot
from processor.alarms import evidence, out_of_service
from processor.alarms import lifecycle as alarm_list
from processor.alarms.actions import carry_out, refusal
from processor.alarms.events import announcements
from processor.alarms.subjects import SUBJECT, Subjects, no_orders
from processor.alarms.violations import Violations, nothing_seen, silences, violations
from processor.engine import engine
from processor.engine.columns import MS_PER_S, Rules
from processor.engine.sequence import Gaps, follow
from processor.engine.windows import WINDOW_S
from processor.intake.inbox import Batch, Inbox
from processor.intake.journal_recorder import JournalRecorder
from processor.intake.quarantine import Quarantine
from processor.intake.registry import LEFT, Registry
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.system import SYSTEM_RULES
from processor.service import checkpoint
from processor.view import forecast, snapshot_tables
from processor.watch.cohorts import CohortWatch
from processor.watch.gateways import DEAF_S, GATEWAY_RULES, GatewayWatch
from processor.watch.self_monitoring import SelfMonitor, look

MAX_ACTED: Final = 10_000
"""So many actions of people are known by their ids; a broker does not deliver older ones again."""

FORECAST_MS: Final = 2000
"""Forecasts of hours and days are made anew no sooner than after so long on the wall."""


@dataclass
class Pipeline:
    """Everything the processor knows. Time comes in as `now` (wall ms); nothing here touches network or clock.

    `split` makes waves of a batch: each pump at most once in a wave, and in its order from wave to wave.
    """

    data: Path
    rules: Rules = RULES
    window_s: float = WINDOW_S
    split: Callable[[pl.DataFrame], Iterator[pl.DataFrame]] = engine.waves
    registry: Registry = field(default_factory=Registry)
    state: pl.DataFrame = field(init=False)
    alarms: pl.DataFrame = field(default_factory=alarm_list.no_alarms)
    outcomes: list[Outcome] = field(default_factory=list)
    announced: list[AlarmEvent] = field(default_factory=list)
    gaps: Gaps = field(default_factory=Gaps)
    watch: SelfMonitor = field(default_factory=SelfMonitor)
    orders: pl.DataFrame = field(default_factory=no_orders)
    cohorts: CohortWatch = field(default_factory=CohortWatch)
    _acted: dict[str, None] = field(default_factory=dict)
    _cuts: GatewayWatch = field(default_factory=GatewayWatch)
    _deaf_since: int | None = None

    def __post_init__(self) -> None:
        self.quarantine, self.clerk = Quarantine(self.data), JournalRecorder()
        self.inbox = Inbox(self.registry, self.quarantine, self.clerk)
        self.state = engine.new_state(0, self.rules)
        self._expected = 0, pl.DataFrame()

    @property
    def listed(self) -> Rules:
        """Every rule by which an alarm can be raised: of pumps, gateways and fleet, of cohorts, of Pumpwatch itself."""
        return (*self.rules, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)

    def restore(self) -> None:
        """Go on from the checkpoint in the data directory, if there is one; raises `CheckpointError`."""
        saved = checkpoint.load(self.data, self.rules, self.listed)
        if saved is not None:
            self.state, self.alarms, self.registry = saved.state, saved.alarms, saved.registry
            self.gaps, self._acted = saved.gaps, dict.fromkeys(saved.acted)
            self.watch = SelfMonitor(well={(rule, other): since for rule, other, since in saved.rests.system})
            self._cuts.rest(saved.rests.gateways)
            self.orders = saved.orders
            self.cohorts = CohortWatch.restored(saved.cohorts)
            self.inbox = Inbox(self.registry, self.quarantine, self.clerk)
            # A checkpoint of an older version does not say what was held under what.
            self.alarms, _ = alarm_list.settle(
                self.alarms, self.alarms, [], subjects=self.subjects(0), rules=self.listed
            )

    def save(self, now: int, head: Head = checkpoint.NOTHING_WRITTEN) -> None:
        """Write the checkpoint; `now` is wall ms, `head` where the journal ends."""
        system = tuple((*about, since) for about, since in self.watch.well.items())
        rests = checkpoint.Rests(tuple(self._cuts.well.iter_rows()), system)
        saved = checkpoint.Saved(
            self.state,
            self.alarms,
            self.registry,
            self.gaps,
            rests,
            self.orders,
            tuple(self._acted),
            self.cohorts.saved(),
        )
        checkpoint.save(self.data, saved, now, head)

    def take(
        self, messages: list[Message], now: int, *, listening: bool = True, readings: pl.DataFrame | None = None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Take messages in; return their samples (as for the history) and the journal's entries of what changed.

        While not `listening`, because the broker is away or only just back, silence is not held against any pump.
        `readings` is what Pumpwatch reads off itself (`processor.watch.readings.SCHEMA`), None where nobody looked. What is
        to be told to people and to other systems is left in `outcomes` and `announced`.
        """
        batch = self.inbox.read(messages, now)
        happened = self.advance(batch, now, listening=listening, readings=readings)
        facts, subjects = self.registry.facts(), self.subjects(now)
        samples = batch.samples.drop(engine.RESENT).with_columns(
            facts["pump"].gather(batch.samples["pump"]).alias("pump")
        )
        if happened.height == 0:
            return samples, snapshot_tables.no_events()
        self.announced += announcements(
            happened, self.alarms, subjects=subjects, facts=facts, now=now, rules=self.listed
        )
        return samples, snapshot_tables.events_frame(happened, subjects, now, self.listed)

    def advance(
        self, batch: Batch, now: int, *, listening: bool = True, readings: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Take a batch in that was read before; return what changed of the alarms (`processor.alarms.lifecycle.CHANGES`)."""
        self.state = engine.grow(self.state, self.registry.pumps, self.rules)
        subjects = self.subjects(now)
        changes = []
        for wave in self.split(batch.samples):
            before = self.state
            after, rows = engine.step(before, wave, self.rules, self.window_s)
            self.gaps, self.state = follow(self.gaps, before, after, wave)
            if rows.height:
                changes.append(self._advance(violations(rows, self.alarms, self.rules), rows, subjects, now))
        seen, rows = self._judge_silence(subjects, now, listening=listening)
        changes.append(self._advance(seen, rows, subjects, now))
        if readings is not None:
            changes.append(self._look_at_self(readings, subjects, now))
        self.alarms, passed = alarm_list.tick(self.alarms, subjects=subjects, rules=self.listed)
        changes += [passed, self._end_orders(now)]
        return pl.concat([*changes, *(self._act(action, now) for action in batch.actions)])

    def snapshot(self, health: Health, now: int) -> Snapshot:
        """Return what the screens are to show as of `now`."""
        facts, clocks = self.registry.facts(), self.registry.clocks(now)
        expected = self._forecasts(facts, clocks, now)
        alarms = snapshot_tables.visible_alarms(
            self.alarms, self.subjects(now), facts, state=self.state, forecasts=expected, rules=self.listed
        )
        pumps = snapshot_tables.pumps_frame(
            self.state, alarms, facts, self._ages(clocks), forecasts=expected, rules=self.rules
        )
        gone = self.registry.gateways_in(LEFT).gather(facts["owner"])
        if gone.any():
            names = pumps["pump"].filter(gone)
            of_gone = pl.col("pump").is_in(names.implode()).fill_null(value=False)
            pumps, alarms = pumps.filter(~gone), alarms.filter(~of_gone)
        orders = snapshot_tables.orders_frame(self.orders, self.subjects(now), self.listed)
        return Snapshot(pumps, alarms, self.registry.gateways_frame(), health, orders)

    def _forecasts(self, facts: pl.DataFrame, clocks: pl.Series, now: int) -> pl.DataFrame:
        """Return what is forecast, anew where the latest is older than `FORECAST_MS` or lacks a pump."""
        at, latest = self._expected
        if not 0 <= now - at < FORECAST_MS or latest.height != self.state.height:
            latest = forecast.forecasts(self.state, self.alarms, facts, clocks, self.rules)
            self._expected = now, latest
        return latest

    def _judge_silence(self, subjects: Subjects, now: int, *, listening: bool) -> tuple[Violations, pl.DataFrame]:
        """Return which pumps, gateways and fleet are silent, or, without a broker for long, that nobody is heard.

        And the pumps as they were judged.
        """
        if not listening:
            self._deaf_since = now if self._deaf_since is None else min(now, self._deaf_since)
            deaf = now - self._deaf_since >= DEAF_S * MS_PER_S
            return self._cuts.deaf(subjects) if deaf else nothing_seen(), self.state.clear()
        self._deaf_since = None
        clocks = self.registry.clocks(now)
        ages = self._ages(clocks)
        self.state = engine.with_ages(self.state, ages, self.rules)
        numbers = pl.int_range(self.state.height, dtype=pl.UInt32, eager=True)
        judged = self.state.with_columns(numbers.alias("pump"), ages.alias("age"), clocks.alias("now"))
        pumps = silences(judged, self.alarms, self.rules)
        cut = self._cuts.look(
            judged, self.alarms, subjects, offline=self.registry.gateways_in("offline"), rules=self.rules
        )
        many = self.cohorts.look(self.state, self.alarms, subjects, ages_s=ages)
        seen = Violations(
            pl.concat([cut.standing, many.standing, pumps.standing]), pl.concat([cut.over, many.over, pumps.over])
        )
        return seen, judged

    def _advance(self, seen: Violations, rows: pl.DataFrame, subjects: Subjects, now: int) -> pl.DataFrame:
        """Take what is seen into the alarms; `rows` are the pumps in which it was seen."""
        self.alarms, changes = alarm_list.advance(self.alarms, seen, now=now, subjects=subjects, rules=self.listed)
        if changes.is_empty():
            return changes
        for judged, rules in ((rows, self.rules), (self._cuts.looked, GATEWAY_RULES), *self.cohorts.looked()):
            self.alarms, changes = evidence.attach(self.alarms, changes, judged, rules)
        return changes

    def _look_at_self(self, readings: pl.DataFrame, subjects: Subjects, now: int) -> pl.DataFrame:
        self.watch, found = look(self.watch, readings, self.alarms, now=now, time=subjects.together)
        self.alarms, changes = alarm_list.advance(
            self.alarms, found.seen, now=now, subjects=subjects, rules=self.listed
        )
        self.alarms, changes = evidence.bear(self.alarms, changes, found.evidence)
        return changes

    def clock_set(self, step_ms: int) -> None:
        """Go on counting from where it was after the wall clock was set by so much."""
        self.registry.clock_set(step_ms)
        self.watch = self.watch.clock_set(step_ms)

    def _act(self, action: Action, now: int) -> pl.DataFrame:
        """Do what a person wants, once: what arrives again, as after a crash, is answered and changes nothing."""
        if action.id in self._acted:
            self.outcomes.append(Outcome(id=action.id, done=0, refused=0, text="This was done before."))
            return pl.DataFrame(schema=alarm_list.CHANGES)
        subjects = self.subjects(now)
        if isinstance(action, ServiceAction):
            named = subjects.called(self._known(action.subjects))
            self.orders, done, outcome = out_of_service.carry_out(self.orders, action, named, rules=self.listed)
            changes = self._served(done, now) if outcome.ok else refusal(action, outcome.text)
        else:
            self.alarms, changes, outcome = carry_out(self.alarms, action, subjects=subjects, rules=self.listed)
        self.outcomes.append(outcome)
        self._acted[action.id] = None
        while len(self._acted) > MAX_ACTED:
            del self._acted[next(iter(self._acted))]
        return changes

    def _known(self, names: list[str]) -> pl.DataFrame:
        """Return those of the subjects by their names that there are (`processor.alarms.subjects.SUBJECT`)."""
        others = set(self.alarms["other"].drop_nulls())
        rows: list[tuple[int | None, int | None, str | None, str | None]] = []
        for name in names:
            pump, gateway = self.registry.number_of(name), self.registry.number_of_gateway(name)
            if pump is not None:
                rows.append((pump, None, None, None))
            elif gateway is not None:
                rows.append((None, gateway, None, None))
            elif names_system(name):
                rows.append((None, None, name, "system"))
            elif name in others:
                rows.append((None, None, name, "cohort"))
            elif name == FLEET:
                rows.append((None, None, None, None))
        return pl.DataFrame(rows, SUBJECT, orient="row")

    def _end_orders(self, now: int) -> pl.DataFrame:
        """Put back into service what was out for a time that is over."""
        if self.orders["until"].null_count() == self.orders.height:
            return pl.DataFrame(schema=alarm_list.CHANGES)
        self.orders, over = out_of_service.ended(self.orders, self.subjects(now).now(self.orders))
        return self._served(over, now)

    def _served(self, done: pl.DataFrame, now: int) -> pl.DataFrame:
        """Return the changes of what became of orders, and of the alarms that they concern."""
        if done.is_empty():
            return pl.DataFrame(schema=alarm_list.CHANGES)
        said = [alarm_list.told(done)]
        self.alarms, changes = alarm_list.settle(
            self.alarms, self.alarms, said, subjects=self.subjects(now), rules=self.listed, from_data=False
        )
        return changes

    def subjects(self, now: int) -> Subjects:
        """Return whom alarms may be about, and where their therapy clocks stand at wall time `now` (ms)."""
        facts, gateways = self.registry.facts(), self.registry.gateways
        return Subjects(
            pumps=facts["pump"],
            owners=facts["owner"],
            gateways=pl.Series("gateway", [gateway.name for gateway in gateways], dtype=pl.String),
            clocks=pl.Series("now", [gateway.therapy_ms(now) for gateway in gateways], dtype=pl.Int64),
            wall=now,
            orders=self.orders,
            facts=facts,
        )

    def _ages(self, clocks: pl.Series) -> pl.Series:
        """Seconds since each pump's last sample, or, for one never heard, since it was named; Float32.

        Null for the pumps of a gateway that left on purpose, and for one never heard whose gateway is away: it may
        be a memory of the broker's from another day.
        """
        facts = self.registry.facts()
        left = self.registry.gateways_in(LEFT).gather(facts["owner"])
        away = self.registry.gateways_in(LEFT, "offline").gather(facts["owner"])
        named = pl.when(~away).then(facts["born"])
        last = pl.select(pl.when(~left).then(pl.coalesce(self.state["time"], named))).to_series()
        return ((clocks - last) / MS_PER_S).clip(0.0).cast(pl.Float32)
