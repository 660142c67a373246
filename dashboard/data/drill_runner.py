"""Carries out drills: injects each when it is due, follows its alarm, and clears its fault when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import polars as pl
from msgspec.structs import replace

from broker.contract.commands import Clear, GatewayCommand, Inject, Reply
from broker.mqtt.address import LinkError
from broker.mqtt.request_reply import AddressedCommand
from broker.store.snapshot import Snapshot
from dashboard.data import drill_alarms, drill_records, healthy_pumps
from dashboard.data.drill_records import INJECTED, RUN_MS, Drill
from dashboard.data.drill_store import DrillError, DrillStore
from dashboard.data.fleet_clock import fleet_clock
from dashboard.data.services import DataService

log = logging.getLogger("dashboard")
STEP_S: Final = 1.0
MAX_NOTE: Final = 300


@dataclass
class DrillRunner:
    """Carries out the drills of a data directory; `chance` chooses pumps and faults.

    A fault ends by itself soon after the longest drill would, so that none stays if the dashboard ends meanwhile.
    """

    data: DataService
    chance: Random

    @property
    def store(self) -> DrillStore:
        """The drills."""
        return self.data.drills

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry out drills while the server runs."""
        task = asyncio.create_task(self._watch(), name="drills")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            try:
                await self.step()
            except (DrillError, OSError, pl.exceptions.PolarsError) as error:
                log.warning("Drills wait: %s", error)
            await asyncio.sleep(STEP_S)

    async def step(self) -> None:
        """Advance every open drill."""
        for drill in self.store.opened():
            now = self.data.now()
            if why := drill_records.overdue(drill, now):
                await self.end(drill, why, cancelled=why.startswith("Cancelled"))
            elif drill.state == "planned" and drill.due_at <= now:
                await self._begin(drill)
            elif drill.state == "running":
                await self._follow(drill)

    async def end(self, drill: Drill, note: str, *, cancelled: bool = False) -> None:
        """Clear the fault of a drill, if it has begun, and end it with a note."""
        last = drill_records.ended(drill, self.data.now(), note, cancelled=cancelled)
        if self.store.update(last, drill.state) and drill.state in INJECTED:
            replies = await self._send(drill, Clear(id=uuid.uuid4().hex, pumps=[drill.pump], fault=drill.fault))
            if not all(reply.ok for reply in replies):
                why = next(reply.text for reply in replies if not reply.ok)
                text = f"{note} {drill_records.NOT_CLEARED.format(reason=why)}".strip()
                self.store.update(replace(last, note=text[:MAX_NOTE]), last.state)

    async def _begin(self, drill: Drill) -> None:
        """Inject the fault into a random healthy pump, unless another dashboard did meanwhile."""
        snapshot, now = self.data.snapshot(), self.data.now()
        busy = {one.pump for one in self.store.blind()}
        drawn = healthy_pumps.draw(snapshot.table, 1, self.chance.randrange(2**31), faulty=busy).pumps
        fault = drill.fault or self._any_fault(snapshot)
        if drawn.is_empty() or not fault:
            why = drill_records.NO_PUMP if drawn.is_empty() else drill_records.NO_FAULT
            await self.end(drill, why, cancelled=True)
            return
        pump, gateway = drawn.row(0)
        begun = replace(drill, state="injecting", pump=pump, gateway=gateway, fault=fault, injected_at=now)
        if not self.store.update(begun, "planned"):
            return
        hold_s = 2 * RUN_MS / 1000 * max(1.0, fleet_clock(snapshot).speed)
        command = Inject(id=uuid.uuid4().hex, fault=fault, pumps=[pump], severity=drill.severity, hold_s=hold_s)
        reply = (await self._send(begun, command))[0]
        if reply.ok:
            self.store.update(replace(begun, state="running", onset=reply.time), "injecting")
        else:
            why = drill_records.NOT_INJECTED.format(reason=reply.text)
            await self.end(begun, why[:MAX_NOTE], cancelled=True)

    async def _follow(self, drill: Drill) -> None:
        """Note the alarm about the fault, and who acknowledged it."""
        events = await asyncio.to_thread(self.data.events, drill.pump)
        snapshot = self.data.snapshot()
        rules = drill_alarms.expected(snapshot, drill.fault)
        about = events.filter(
            pl.col("rule").is_in(rules) & (pl.col("time") >= drill.onset) & (pl.col("at") >= drill.injected_at)
        ).sort("at", maintain_order=True)
        raised = about.filter(pl.col("kind") == "raised")
        if raised.is_empty():
            return
        known = drill_records.alarmed(drill, int(raised["at"][0]))
        done = about.filter((pl.col("kind") == "acknowledged") & pl.col("alarm").is_in(raised["alarm"].implode()))
        if done.height:
            row = done.row(0, named=True)
            known = drill_alarms.answered_by(known, snapshot, who=row["who"] or "", at=row["at"], rule=row["rule"])
        if known != drill:
            self.store.update(known, "running")

    def _any_fault(self, snapshot: Snapshot) -> str:
        found = drill_alarms.detectable(snapshot)
        return self.chance.choice(found) if found else ""

    async def _send(self, drill: Drill, command: Any) -> Sequence[Reply]:
        shards = dict(self.data.snapshot().gateways.select("gateway", "shard").iter_rows())
        if drill.gateway not in shards:
            text = f"no gateway speaks for {drill.pump}"
            return [Reply(id="", gateway=drill.gateway, ok=False, text=text)]
        signed: GatewayCommand = replace(command, who=drill.by, at=self.data.now())
        addressed = AddressedCommand(drill.gateway, shards[drill.gateway], signed)
        try:
            return await self.data.ask(self.data.settings.broker, [addressed])
        except LinkError as error:
            return [Reply(id="", gateway=drill.gateway, ok=False, text=str(error)[:MAX_NOTE])]
