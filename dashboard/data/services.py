"""Data service of the pages: snapshot, history, journal, alarm actions and commands to the fleet."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.actions import MAX_WHY, Action, Outcome, PutBack, Reinstate, Retire, TakeOut, make_action
from broker.contract.commands import Clear, GatewayCommand, Inject, Reply, Treatment
from broker.mqtt.address import LinkError
from broker.mqtt.request_reply import AddressedCommand
from broker.store import journal_query, rollup, segments
from broker.store.silences import SilenceStore
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.access.audit_trail import AuditTrail
from dashboard.data import drill_alarms, load_runs
from dashboard.data.alarm_actions import ALARM_ACTIONS
from dashboard.data.alarm_rows import AlarmRows
from dashboard.data.audit_chain import AuditChain
from dashboard.data.drill_store import DrillStore
from dashboard.data.live import Live
from dashboard.data.load_runs import LoadRuns
from dashboard.data.occurrences import Occurrences
from dashboard.data.queries import waiting_ids
from dashboard.data.replays import Replays
from dashboard.settings import Settings

MAX_EVENTS: Final = 200
MAX_ALARMS_PER_ACTION: Final = 5000
_WHO: Final = {"acknowledge": "operators, engineers and admins", "service": "engineers and admins"}


@dataclass(frozen=True)
class Answer:
    """Result of an operator action: a sentence to show, and whether anything was done.

    `reached` is False if the broker could not be reached.
    """

    text: str
    good: bool
    reached: bool = True


@dataclass(frozen=True)
class DataService:
    """Everything pages read and send. `now` returns wall ms.

    `ask` and `act` sign what a visitor commands, send it to the broker and await replies.
    """

    settings: Settings
    live: Live
    now: Callable[[], int]
    ask: Callable[[str, Sequence[AddressedCommand]], Awaitable[list[Reply]]]
    act: Callable[[str, Action], Awaitable[Outcome]]
    replays: Replays = field(default_factory=Replays)

    @cached_property
    def audit(self) -> AuditTrail:
        """The audit trail of what visitors do; the dashboard has one for sign-in and pages."""
        return AuditTrail(self.settings.data, self.now)

    @cached_property
    def chain(self) -> AuditChain:
        """The state of the journal's chain."""
        return AuditChain(self.settings.data, self.now)

    @cached_property
    def alarm_rows(self) -> AlarmRows:
        """The rows of the lists of alarms, for all viewers."""
        return AlarmRows(self.now())

    @cached_property
    def occurrences(self) -> Occurrences:
        """The occurrences of alarms in the journal."""
        return Occurrences(self.settings.data)

    @cached_property
    def drills(self) -> DrillStore:
        """The drills of the data directory."""
        return DrillStore(self.settings.data)

    @cached_property
    def load_runs(self) -> LoadRuns:
        """The load tests that are started from the dashboard."""
        return LoadRuns(self.settings.data / load_runs.FOLDER, self.audit, self.now)

    @cached_property
    def silences(self) -> SilenceStore:
        """The silences of the data directory."""
        return SilenceStore(self.settings.data)

    def snapshot(self) -> Snapshot:
        """Return the latest snapshot."""
        return self.live.snapshot()

    def trend(self, pump: str, since_ms: int, until_ms: int) -> pl.DataFrame:
        """Return a pump's samples between two therapy times."""
        return segments.trend(self.settings.data, pump, since_ms, until_ms)

    def long_trend(self, pump: str, since_ms: int, until_ms: int) -> pl.DataFrame:
        """Return a pump's trend over weeks: `time` and signals, minimum and maximum of each hour."""
        return rollup.line(self.settings.data, pump, since_ms, until_ms)

    def events(self, pump: str | None = None, limit: int = MAX_EVENTS) -> pl.DataFrame:
        """Return the newest journal entries of one pump or of all."""
        return journal_query.events(self.settings.data, pump=pump, limit=limit)

    async def acknowledge(self, chosen: dict[str, Any]) -> Answer:
        """Acknowledge the alarms named by a browser."""
        ids = waiting_ids(self.snapshot().alarms, chosen, MAX_ALARMS_PER_ACTION)
        if VISITOR.get().may("acknowledge") and not ids:
            return Answer("Nothing to acknowledge: already acknowledged, or the alarm has ended.", good=False)
        return await self.apply("acknowledge", ids)

    async def apply(
        self, name: str, ids: Sequence[str], *, why: str = "", for_s: float | None = None, action_id: str = ""
    ) -> Answer:
        """Apply one of `ALARM_ACTIONS` to alarms and return the processor's answer.

        The processor applies actions with the same `action_id` once; by default every one has its own.
        """
        spec, visitor = ALARM_ACTIONS[name], VISITOR.get()
        if not visitor.may(spec.right):
            await self.audit.denied(visitor, spec.label.lower())
            return Answer(f"Not {spec.participle}: only {_WHO[spec.right]} may do that.", good=False)
        if len(why) > MAX_WHY:
            return Answer(
                f"Not {spec.participle}: the text has {len(why):,} characters; allowed are {MAX_WHY}.", good=False
            )
        action_id = action_id or uuid.uuid4().hex
        action = make_action(name, action_id, alarms=ids, who=visitor.name, at=self.now(), why=why, for_s=for_s)
        try:
            outcome = await self.act(self.settings.broker, action)
        except LinkError as error:
            return Answer(f"Not {spec.participle}: {error}.", good=False, reached=False)
        drill = ""
        if name == "acknowledge" and outcome.ok:
            drill = drill_alarms.noticed(self.drills, self.snapshot(), ids, visitor.name, self.now())
        return Answer(outcome.text + drill, good=outcome.ok)

    async def change_service(
        self, kind: str, subject: str, *, rule: str | None, why: str, for_s: float | None
    ) -> Answer:
        """Take a subject of alarms out of service (`kind` "take_out") or return it to service."""
        visitor = VISITOR.get()
        if not visitor.may("service"):
            await self.audit.denied(visitor, "take out of service or return to service")
            return Answer(f"Not done: only {_WHO['service']} may do that.", good=False)
        if len(why) > MAX_WHY:
            return Answer(f"Not done: the text has {len(why):,} characters; allowed are {MAX_WHY}.", good=False)
        fields: dict[str, Any] = {"id": uuid.uuid4().hex, "subjects": [subject], "who": visitor.name, "at": self.now()}
        fields |= {"rule": rule, "why": why}
        action = TakeOut(**fields, for_s=for_s) if kind == "take_out" else PutBack(**fields)
        try:
            outcome = await self.act(self.settings.broker, action)
        except LinkError as error:
            return Answer(f"Not done: {error}.", good=False)
        return Answer(outcome.text, good=outcome.ok)

    async def change_monitoring(self, kind: str, serial: str, *, why: str) -> Answer:
        """Retire a pump (`kind` "retire"; needs a reason) or reinstate it."""
        visitor, participle = VISITOR.get(), "retired" if kind == "retire" else "reinstated"
        problem = ""
        if not visitor.may("service"):
            await self.audit.denied(visitor, "retire or reinstate pumps")
            problem = f"only {_WHO['service']} may do that"
        elif kind == "retire" and not why:
            problem = "enter a reason"
        elif len(why) > MAX_WHY:
            problem = f"the text has {len(why):,} characters; allowed are {MAX_WHY}"
        if problem:
            return Answer(f"Not {participle}: {problem}.", good=False)
        action = (Retire if kind == "retire" else Reinstate)(
            id=uuid.uuid4().hex, pumps=[serial], who=visitor.name, at=self.now(), why=why
        )
        try:
            outcome = await self.act(self.settings.broker, action)
        except LinkError as error:
            return Answer(f"Not {participle}: {error}.", good=False)
        return Answer(outcome.text, good=outcome.ok)

    async def inject(
        self, pumps: pl.DataFrame, *, fault: str, severity: float, ramp_s: float, hold_s: float | None
    ) -> list[Reply]:
        """Inject a fault into pumps (`pump`, `gateway`); one reply per gateway."""
        who = VISITOR.get().name

        def command(serials: list[str]) -> GatewayCommand:
            return Inject(
                id=uuid.uuid4().hex,
                fault=fault,
                pumps=serials,
                severity=severity,
                ramp_s=ramp_s,
                hold_s=hold_s,
                who=who,
                at=self.now(),
            )

        return await self._command(pumps, command, "inject", "inject faults")

    async def clear(self, pumps: pl.DataFrame, fault: str | None) -> list[Reply]:
        """Clear one fault, or all faults, of pumps (`pump`, `gateway`); one reply per gateway."""
        who = VISITOR.get().name

        def command(serials: list[str]) -> GatewayCommand:
            return Clear(id=uuid.uuid4().hex, pumps=serials, fault=fault, who=who, at=self.now())

        return await self._command(pumps, command, "inject", "inject faults")

    async def program(self, pumps: pl.DataFrame, treatment: Treatment) -> list[Reply]:
        """Program pumps (`pump`, `gateway`); one reply per gateway. Sets id, pumps, who and time of `treatment`."""
        who = VISITOR.get().name

        def command(serials: list[str]) -> GatewayCommand:
            return msgspec.structs.replace(treatment, id=uuid.uuid4().hex, pumps=serials, who=who, at=self.now())

        return await self._command(pumps, command, "program", "program pumps")

    async def _command(
        self, pumps: pl.DataFrame, command: Callable[[list[str]], GatewayCommand], right: str, activity: str
    ) -> list[Reply]:
        if not VISITOR.get().may(right):
            await self.audit.denied(VISITOR.get(), activity)
            return [Reply(id="", gateway="", ok=False, text=f"only engineers and admins may {activity}")]
        shards = dict(self.snapshot().gateways.select("gateway", "shard").iter_rows())
        groups = pumps.group_by("gateway", maintain_order=True).agg("pump").iter_rows()
        commands, unreachable = [], []
        for gateway, serials in groups:
            if gateway in shards:
                commands.append(AddressedCommand(gateway, shards[gateway], command(serials)))
            else:
                text = f"no gateway speaks for {formatting.listed(serials)}"
                unreachable.append(Reply(id="", gateway=gateway or "", ok=False, text=text))
        try:
            replies = await self.ask(self.settings.broker, commands) if commands else []
        except LinkError as error:
            replies = [Reply(id="", gateway="", ok=False, text=str(error))]
        return [*replies, *unreachable]
