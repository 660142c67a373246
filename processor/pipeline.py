"""Pipeline: the processor's whole state in memory, from MQTT messages to samples, alarms and the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.actions import Action, Outcome, PumpAction, Transfer
from broker.contract.alarm_events import AlarmEvent
from broker.contract.codec import Decoded
from broker.contract.signed import Opener, Verifier
from broker.mqtt.link import Message
from broker.store.pump_table import PumpTable
from broker.store.snapshot import RETIRED_SCHEMA, Health, Snapshot
from processor.alarms import evidence, operator_actions, run_conditions
from processor.alarms import lifecycle as alarm_list
from processor.alarms.events import announcements
from processor.alarms.hold import Conditions, conditions_of_pumps, hold, no_scores, no_timers, shift
from processor.alarms.own_part import own_part
from processor.alarms.subjects import Subjects, no_orders
from processor.batch_result import AlarmResult, BatchResult
from processor.engine import engine, epochs, runs
from processor.engine.columns import MS_PER_S, Rules
from processor.engine.sequence import REDELIVERED, Gaps
from processor.engine.waves import waves
from processor.engine.windows import WINDOW_S
from processor.intake import retirement, transfer
from processor.intake.ages import ages_s
from processor.intake.backlog import Backlog
from processor.intake.inbox import Batch, Inbox
from processor.intake.presence import UNHEARD_S
from processor.intake.quarantine import Quarantine
from processor.intake.rates import Admission, GatewayRates, RateLimits
from processor.intake.registry import Registry
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from processor.view import forecast, snapshot_tables
from processor.view.fleet_view import FleetView, TableRows
from processor.view.rule_table import rule_table
from processor.watch import self_monitoring
from processor.watch.cohorts import CohortWatch
from processor.watch.gateways import BROKER_LOST_S, GatewayWatch
from processor.watch.self_monitoring import SelfMonitor
from processor.watch.silence import silence_scores

MAX_ACTION_IDS: Final = 10_000
"""Number of recent action ids kept to ignore redelivered actions."""

MAX_RUN_CHANGES: Final = 8
"""Windows that change alarms after which the rest of a run waits for the next batch; each takes about 20 ms."""

FORECAST_INTERVAL_MS: Final = 2000
"""Forecasts of pumps with alarms, of hours and days, are renewed at most this often (wall clock)."""


@dataclass
class Pipeline:
    """The state of the processor. Time comes in as `now` (wall ms); nothing here touches network, disk or clock.

    `split` divides a batch into waves: each pump at most once per wave, its samples in order from wave to wave. What
    concerns pumps that sent nothing, gateways, fleet and cohorts is judged every `watch_interval_ms` (wall clock): it
    takes the whole fleet, however few samples a batch has. `verifier` opens commands and actions; by default, none.
    `shared` says that other processors have other pumps of the fleet, and hear the same actions.
    `on_decoded` is called when a batch is decoded and before it is judged.
    """

    rules: Rules = RULES
    window_s: float = WINDOW_S
    watch_interval_ms: int = 0
    split: Callable[[pl.DataFrame], Iterator[pl.DataFrame]] = waves
    registry: Registry = field(default_factory=Registry)
    quarantine: Quarantine = field(default_factory=Quarantine)
    state: pl.DataFrame = field(init=False)
    alarms: pl.DataFrame = field(default_factory=alarm_list.no_alarms)
    gaps: Gaps = field(default_factory=Gaps)
    timers: pl.DataFrame = field(default_factory=no_timers)
    monitor: SelfMonitor = field(default_factory=SelfMonitor)
    orders: pl.DataFrame = field(default_factory=no_orders)
    cohorts: CohortWatch = field(default_factory=CohortWatch)
    gateways: GatewayWatch = field(default_factory=GatewayWatch)
    action_ids: dict[str, None] = field(default_factory=dict)
    backlog: Backlog = field(default_factory=Backlog)
    verifier: Opener = field(default_factory=Verifier)
    shared: bool = False
    on_decoded: Callable[[], None] = lambda: None
    _disconnected_since: int | None = None
    _watched: int | None = None

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.registry, self.quarantine, verifier=self.verifier)
        self.state = engine.new_state(0, self.rules)
        self._forecasts = 0, pl.DataFrame(schema={"pump": pl.UInt32})

    def limit_rates(self, limits: RateLimits) -> None:
        """Limit from now on what arrives; there are no limits otherwise."""
        self.registry.limit(Admission.of(limits))
        self.inbox.rates = GatewayRates(limits)

    @property
    def listed(self) -> Rules:
        """Every rule that can raise an alarm: of pumps, gateways and fleet, of cohorts, of Pumpwatch itself."""
        return (*self.rules, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)

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
        changes = alarm_list.no_changes() if readings is None else self._monitor(readings, self.subjects(now), now)
        return self._result(batch, AlarmResult(changes, ()), now)

    def quarantine_message(self, message: Message, now: int, reason: str) -> None:
        """Quarantine a message that cannot be processed."""
        self.quarantine.add(message.topic, now, reason, message.payload, kind="unforeseen")

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
        if batch.clock_faults.len():
            self.state = engine.count_clock_faults(self.state, batch.clock_faults)
            retired = self.registry.presence.retired
            for number in batch.clock_faults:
                if retired[number]:
                    self.registry.reinstate_pump(number, "it sends again, with impossible times", heard=False)
        before = self.state[["samples", epochs.SET_BACK]]
        subjects = self.subjects(now)
        changes, outcomes = [], list[Outcome]()
        together, alone = self.backlog.due(batch.samples)
        for run in alone:
            changes += self._take_run(run, subjects, now)
        for wave in self.split(together):
            step = engine.step(self.state, wave, self.rules, self.window_s, gaps=self.gaps)
            self.state, self.gaps, rows = step.state, step.gaps, step.judged
            if rows.height:
                changes.append(self._advance(conditions_of_pumps(rows, self.alarms, self.rules), rows, subjects, now))
        if not self.state[epochs.SET_BACK].equals(before[epochs.SET_BACK]):
            self.state = epochs.measure_set_back(self.state, before[epochs.SET_BACK], self.registry.clocks(now))
        self._note_presence(before["samples"], now, listening=listening and current)
        changes.append(self._watch(subjects, now, listening=listening, current=current))
        if readings is not None:
            changes.append(self._monitor(readings, subjects, now))
        self.alarms, timed = alarm_list.tick(self.alarms, subjects=subjects, rules=self.listed)
        self.alarms, self.orders, ended = operator_actions.end_expired_orders(
            self.alarms, subjects=subjects, rules=self.listed
        )
        changes += [timed, ended]
        for action in batch.actions:
            changed, outcome = self._act(action, now)
            changes.append(changed)
            outcomes.append(outcome)
        return AlarmResult(pl.concat(changes), tuple(outcomes))

    def _take_run(self, run: pl.DataFrame, subjects: Subjects, now: int) -> list[pl.DataFrame]:
        """Take in samples of one pump, as many as there is time for; return what changed."""
        changes, taken = list[pl.DataFrame](), 0

        def apply(alarms: pl.DataFrame, conditions: Conditions, row: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
            self.alarms = alarms
            changed = self._advance(conditions, row, subjects, now)
            return self.alarms, changed

        most = self.backlog.max_thin_waves
        for step, count in runs.steps(self.state, run, self.rules, self.window_s, gaps=self.gaps, max_waves=most):
            self.state, self.gaps, taken = step.state, step.gaps, count
            if step.judged.height:
                self.alarms, changed = run_conditions.advance(self.alarms, step.judged, self.rules, apply)
                changes += changed
            if most is not None and len(changes) >= MAX_RUN_CHANGES:
                break
        self.backlog.wait(run[taken:])
        return changes

    def snapshot(self, health: Health, now: int) -> Snapshot:
        """Return what the dashboards show as of `now`, everything up to date."""
        view = self.fleet_view(now)
        alarms = self.alarm_tables(now, view.rows)
        table = PumpTable(view.facts(), view.values(), view.forecasts(), alarms.pop("marks"), now, now)
        return Snapshot(table, health=health, **alarms)

    def fleet_view(self, now: int) -> FleetView:
        """Return what the table of pumps is made of as of `now`; it can be made while the pipeline goes on."""
        clocks = self._clocks(now)
        rows = TableRows(self.registry.facts(), self.registry.retired())
        return FleetView.of(rows, self.state, self.alarms, clocks, age_s=self._ages(clocks), rules=self.rules)

    def alarm_tables(self, now: int, rows: TableRows) -> dict[str, pl.DataFrame]:
        """Return the parts of a snapshot besides the table of pumps, as of `now`.

        `rows` are those of the table, which may be older.
        """
        facts, subjects, retired = self.registry.facts(), self.subjects(now), self.registry.retired()
        clocks, open_alarms = self._clocks(now), self.alarms
        expected = self._forecast(facts, clocks, now)
        alarms = snapshot_tables.visible_alarms(
            open_alarms, subjects, facts, clocks, state=self.state, forecasts=expected, rules=self.listed
        )
        pumps = alarms.select("alarm").join(open_alarms, on="alarm", how="left", maintain_order="left")["pump"]
        kept = ~retired.gather(pumps).fill_null(value=False)
        alarms, pumps = alarms.filter(kept), pumps.filter(kept)
        return {
            "marks": snapshot_tables.marks_frame(alarms, rows.of(pumps)),
            "alarms": alarms,
            "gateways": self.registry.gateways_frame(),
            "orders": snapshot_tables.orders_frame(self.orders, subjects, self.listed),
            "retired": self._retired(facts, retired),
            "rules": rule_table(self.listed),
        }

    def _retired(self, facts: pl.DataFrame, retired: pl.Series) -> pl.DataFrame:
        if not retired.any():
            return pl.DataFrame(schema=RETIRED_SCHEMA)
        gone = facts.hstack(self.state[["time"]]).with_row_index("number").filter(retired)
        return snapshot_tables.retired_frame(self.registry.with_retirements(gone))

    def _forecast(self, facts: pl.DataFrame, clocks: pl.Series, now: int) -> pl.DataFrame:
        """Return the forecasts of the pump of each open alarm, renewed after `FORECAST_INTERVAL_MS` or a new pump."""
        pumps, (at, latest) = self.alarms["pump"].drop_nulls().unique().sort(), self._forecasts
        if not 0 <= now - at < FORECAST_INTERVAL_MS or not latest["pump"].equals(pumps):
            latest = forecast.forecasts_of(pumps, self.state, self.alarms, facts, clocks=clocks, rules=self.rules)
            self._forecasts = now, latest
        return self.alarms.select("pump").join(latest, on="pump", how="left", maintain_order="left")

    def _watch(self, subjects: Subjects, now: int, *, listening: bool, current: bool) -> pl.DataFrame:
        """Score silent pumps, gateways, fleet and cohorts; return what changed.

        While the processor has no broker only the fleet is scored: after `BROKER_LOST_S` it is silent.
        """
        if not listening:
            self._disconnected_since = now if self._disconnected_since is None else min(now, self._disconnected_since)
            lost = now - self._disconnected_since >= BROKER_LOST_S * MS_PER_S
            scores = self.gateways.scores_without_broker(subjects) if lost else no_scores()
            return self._hold(scores, self.state.clear(), subjects, now)
        self._disconnected_since = None
        recently = self._watched is not None and 0 <= now - self._watched < self.watch_interval_ms
        if recently or not current:
            return alarm_list.no_changes()
        self._watched = now
        clocks = self._clocks(now)
        ages = self._ages(clocks)
        self.state = engine.with_ages(self.state, ages, self.rules)
        numbers = pl.int_range(self.state.height, dtype=pl.UInt32, eager=True)
        pumps = self.state.with_columns(numbers.alias("pump"), ages.alias("age"), clocks.alias("now"))
        offline = self.registry.gateways.in_states("offline")
        scores = pl.concat(
            [
                self.gateways.scores(pumps, self.timers, subjects, offline=offline, rules=self.rules),
                self.cohorts.scores(self.state, self.timers, subjects, ages_s=ages),
                silence_scores(pumps, self.timers, self.rules),
            ]
        )
        return self._hold(scores, pumps, subjects, now)

    def _note_presence(self, counted: pl.Series, now: int, *, listening: bool) -> None:
        """Record of which pumps samples were taken since there were so many (`counted`), and whom nobody hears."""
        presence = self.registry.presence
        presence.pass_time(now, listening=listening)
        taken = (self.state["samples"] != counted).arg_true().to_numpy()
        for number in presence.hear(taken):
            self.registry.reinstate_pump(int(number), "it sends again")
        if (self.state[epochs.STALE_RUN] != 0).any():
            unheard = self.registry.unheard_s() >= UNHEARD_S
            self.state = epochs.call_for_epochs(self.state, unheard)

    def _hold(self, scores: pl.DataFrame, pumps: pl.DataFrame, subjects: Subjects, now: int) -> pl.DataFrame:
        self.timers, conditions = hold(self.timers, scores, self.listed)
        return self._advance(conditions, pumps, subjects, now)

    def _advance(self, conditions: Conditions, rows: pl.DataFrame, subjects: Subjects, now: int) -> pl.DataFrame:
        """Apply conditions to the alarms; `rows` are the pumps in which they were found."""
        self.alarms, changes = alarm_list.advance(
            self.alarms, conditions, now=now, subjects=subjects, rules=self.listed
        )
        if changes.is_empty():
            return changes
        watched = ((self.gateways.rows, GATEWAY_RULES), *self.cohorts.rows(self.timers))
        for scored, rules in ((rows, self.rules), *watched):
            self.alarms, changes = evidence.attach(self.alarms, changes, scored, rules)
        return changes

    def _monitor(self, readings: pl.DataFrame, subjects: Subjects, now: int) -> pl.DataFrame:
        """Score Pumpwatch itself; return what changed."""
        self.monitor, found = self_monitoring.score(
            self.monitor, readings, self.timers, now=now, time=subjects.together
        )
        self.timers, conditions = hold(self.timers, found.scores, SYSTEM_RULES, now)
        self.alarms, changes = alarm_list.advance(
            self.alarms, conditions, now=now, subjects=subjects, rules=self.listed
        )
        fresh = found.evidence(conditions.standing, self.timers, now)
        self.alarms, changes = evidence.bear(self.alarms, changes, fresh)
        return changes

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`, so that nothing seems older or newer than it is."""
        self.registry.shift_wall_clock(step_ms)
        self.monitor = self.monitor.shift_wall_clock(step_ms)
        self.timers = shift(self.timers, SYSTEM_RULES, step_ms)

    def _act(self, action: Action, now: int) -> tuple[pl.DataFrame, Outcome]:
        """Apply an operator action once; a redelivered one, as after a crash, is answered and changes nothing."""
        if action.id in self.action_ids:
            outcome = Outcome(id=action.id, done=0, refused=0, text="Already done.")
            return alarm_list.no_changes(), outcome
        if self.shared:
            known = own_part(action, self.alarms, self.registry.find)
            if known is None:
                return alarm_list.no_changes(), Outcome(id=action.id, done=0, refused=0, text="")
            action = known
        if isinstance(action, PumpAction):
            self._remember(action)
            if isinstance(action, Transfer):
                return alarm_list.no_changes(), transfer.apply(self.registry, action)
            return alarm_list.no_changes(), retirement.apply(self.registry, action, now)
        result = operator_actions.apply(
            self.alarms, action, find=self.registry.find, subjects=self.subjects(now), rules=self.listed
        )
        self.alarms, self.orders = result.alarms, result.orders
        self._remember(action)
        return result.changes, result.outcome

    def _remember(self, action: Action) -> None:
        self.action_ids[action.id] = None
        while len(self.action_ids) > MAX_ACTION_IDS:
            del self.action_ids[next(iter(self.action_ids))]

    def subjects(self, now: int) -> Subjects:
        """Return everything that alarms can be about, and where the therapy clocks stand at `now` (wall ms)."""
        facts, gateways = self.registry.facts(), self.registry.gateways
        return Subjects(
            pumps=facts["pump"],
            owners=facts["owner"],
            gateways=gateways.names(),
            clocks=gateways.clocks(now),
            wall=now,
            orders=self.orders,
            facts=facts,
            speeds=pl.Series("speed", gateways.speeds()),
        )

    def _clocks(self, now: int) -> pl.Series:
        """Return where the clock of each pump should stand at `now` (wall ms), wrong or not (Int64 ms)."""
        return epochs.own_clocks(self.registry.clocks(now), self.state)

    def _ages(self, clocks: pl.Series) -> pl.Series:
        return ages_s(self.registry, clocks, self.backlog.newest(self.state["time"]))
