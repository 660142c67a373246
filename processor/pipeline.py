"""Pipeline: the processor's whole state in memory, from MQTT messages to samples, alarms and the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from broker.contract.actions import Outcome
from broker.contract.alarm_events import AlarmEvent
from broker.contract.codec import Decoded
from broker.contract.signed import Opener, Verifier
from broker.mqtt.link import Message
from broker.store.pump_table import PumpTable
from broker.store.snapshot import Health, Snapshot
from processor.alarms import lifecycle as alarm_list
from processor.alarms import operator_actions
from processor.alarms.events import announcements
from processor.batch_result import AlarmResult, BatchResult
from processor.engine import engine, epochs
from processor.engine.sequence import REDELIVERED
from processor.engine.waves import waves
from processor.engine.windows import WINDOW_S
from processor.fleet import conditions, operator, tables, watching
from processor.fleet.state import FleetState
from processor.intake.inbox import Batch, Inbox
from processor.intake.quarantine import Quarantine
from processor.intake.rates import Admission, GatewayRates, RateLimits
from processor.view import snapshot_tables
from processor.view.fleet_view import FleetView, TableRows


@dataclass
class Pipeline(FleetState):
    """The state of the processor. Time comes in as `now` (wall ms); nothing here touches network, disk or clock.

    `split` divides a batch into waves: each pump at most once per wave, its samples in order from wave to wave.
    `verifier` opens commands and actions; by default, none. `watching` judges pumps that sent nothing, gateways, fleet
    and cohorts. `on_decoded` is called when a batch is decoded and before it is judged.
    """

    window_s: float = WINDOW_S
    split: Callable[[pl.DataFrame], Iterator[pl.DataFrame]] = waves
    quarantine: Quarantine = field(default_factory=Quarantine)
    verifier: Opener = field(default_factory=Verifier)
    watching: watching.Watching = field(default_factory=watching.Watching)
    on_decoded: Callable[[], None] = lambda: None
    _tables: tables.AlarmTables = field(default_factory=tables.AlarmTables)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.inbox = Inbox(self.registry, self.quarantine, verifier=self.verifier)

    def limit_rates(self, limits: RateLimits) -> None:
        """Limit from now on what arrives; there are no limits otherwise."""
        self.registry.limit(Admission.of(limits))
        self.inbox.rates = GatewayRates(limits)

    def take(
        self,
        messages: list[Message],
        now: int,
        *,
        listening: bool = True,
        current: bool = True,
        readings: pl.DataFrame | None = None,
        decoded: Sequence[Decoded | None] | None = None,
    ) -> BatchResult:
        """Take in messages; return everything that they led to.

        While not `listening`, because the broker is away or has only just come back, no pump is judged silent; nor
        while not `current`, because messages have long been waiting: those of any pump may be among them.
        `decoded` is what `Inbox.decode` returned of the messages, None if it is still to be done.
        `readings` are the processor's measurements of itself (`processor.watch.readings.SCHEMA`), None if there are
        no new ones.
        """
        batch = self.inbox.read(messages, now, decoded)
        self.on_decoded()
        advanced = self.advance(batch, now, listening=listening, current=current, readings=readings)
        return self._result(batch, advanced, now)

    def take_system(self, readings: pl.DataFrame | None, now: int) -> BatchResult:
        """Judge Pumpwatch itself and nothing else: for when judging the pumps fails."""
        batch = self.inbox.read([], now)
        changes = (
            alarm_list.no_changes()
            if readings is None
            else conditions.apply_readings(self, readings, self.subjects(now), now)
        )
        return self._result(batch, AlarmResult(changes, ()), now)

    def quarantine_message(self, message: Message, now: int, reason: str) -> None:
        """Quarantine a message that cannot be processed."""
        self.quarantine.add(message.topic, now, reason, message.payload, kind="unforeseen")
        self.inbox.count_rejected(message.topic)

    def quarantine_backlog(self, now: int, reason: str) -> None:
        """Quarantine the samples that wait to be judged, because they cannot be processed."""
        waiting = self.backlog.waiting
        pumps = self.registry.facts()["pump"].gather(waiting["pump"].unique()).to_list()
        self.quarantine.add(
            "backlog", now, f"{waiting.height:,} samples of {', '.join(pumps)}: {reason}", kind="unforeseen"
        )
        self.backlog.waiting = waiting.clear()

    def _result(self, batch: Batch, advanced: AlarmResult, now: int) -> BatchResult:
        facts, subjects = self.registry.facts(), self.subjects(now)
        samples = batch.samples.drop(REDELIVERED).with_columns(
            facts["pump"].gather(batch.samples["pump"]).alias("pump")
        )
        events, announced = snapshot_tables.no_events(), list[AlarmEvent]()
        if advanced.changes.height:
            events = snapshot_tables.events_frame(advanced.changes, subjects, now, self.listed)
            announced = announcements(
                advanced.changes, self.alarms, subjects=subjects, facts=facts, now=now, rules=self.listed
            )
        entries = pl.concat([batch.entries, self.inbox.take_moves(now)])
        outcomes = (*batch.refusals, *advanced.outcomes)
        return BatchResult(samples, events, entries, batch.rejected, outcomes, tuple(announced))

    def advance(
        self,
        batch: Batch,
        now: int,
        *,
        listening: bool = True,
        current: bool = True,
        readings: pl.DataFrame | None = None,
    ) -> AlarmResult:
        """Take in a batch that has been read; see `take`."""
        self.state = engine.grow(self.state, self.registry.pumps, self.rules)
        watching.note_clock_faults(self, batch.clock_faults)
        before = self.state[["samples", epochs.SET_BACK]]
        subjects = self.subjects(now)
        changes, outcomes = [], list[Outcome]()
        together, alone = self.backlog.due(batch.samples)
        for run in alone:
            changes += conditions.take_run(self, run, self.window_s, subjects, now)
        for wave in self.split(together):
            step = engine.step(self.state, wave, self.rules, self.window_s, gaps=self.gaps)
            changes += conditions.apply_step(self, step, subjects, now)
        if not self.state[epochs.SET_BACK].equals(before[epochs.SET_BACK]):
            self.state = epochs.measure_set_back(self.state, before[epochs.SET_BACK], self.registry.clocks(now))
        watching.note_presence(self, before["samples"], now, listening=listening and current)
        changes.append(self.watching.advance(self, subjects, now, listening=listening, current=current))
        if readings is not None:
            changes.append(conditions.apply_readings(self, readings, subjects, now))
        self.alarms, timed = alarm_list.tick(self.alarms, subjects=subjects, rules=self.listed)
        self.alarms, self.orders, ended = operator_actions.end_expired_orders(
            self.alarms, subjects=subjects, rules=self.listed
        )
        changes += [timed, ended]
        for action in batch.actions:
            changed, outcome = operator.act(self, action, now)
            changes.append(changed)
            outcomes.append(outcome)
        return AlarmResult(pl.concat(changes), tuple(outcomes))

    def newest_samples(self) -> pl.DataFrame:
        """Return the newest sample of each pump, judged or waiting (`intake.delivery_order.NEWEST_SCHEMA`)."""
        judged = self.state.select(last_boot="boot", last_seq="seq").with_row_index("number")
        waiting = self.backlog.waiting.select(number="pump", last_boot="boot", last_seq="seq")
        newest = pl.concat([judged, waiting]).group_by("number").agg(pl.all().sort_by("last_boot", "last_seq").last())
        return newest.select(
            self.registry.facts()["pump"].gather(newest["number"]).alias("pump"), "last_boot", "last_seq"
        ).drop_nulls()

    def snapshot(self, health: Health, now: int) -> Snapshot:
        """Return what the dashboards show as of `now`, everything up to date."""
        view = self.fleet_view(now)
        alarms = self.alarm_tables(now, view.rows)
        table = PumpTable(view.facts(), view.values(), view.forecasts(), alarms.pop("marks"), now, now)
        return Snapshot(table, health=health, **alarms)

    def fleet_view(self, now: int) -> FleetView:
        """Return what the table of pumps is made of as of `now`; it can be made while the pipeline goes on."""
        return tables.fleet_view(self, now)

    def alarm_tables(self, now: int, rows: TableRows) -> dict[str, pl.DataFrame]:
        """Return the parts of a snapshot besides the table of pumps, as of `now`.

        `rows` are those of the table, which may be older.
        """
        return self._tables.make(self, now, rows)
