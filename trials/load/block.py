"""Block of a load test: pumps that join together, on a simulation of their own, each with a fixed due time."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.commands import GatewayCommand, Reply
from broker.contract.gateway_messages import Birth
from broker.contract.signed import Keys, Verifier
from broker.mqtt.address import Address
from broker.mqtt.session_pool import SessionPool
from simulator.faults import FAULTS
from simulator.gateway.descriptions import Descriptions
from simulator.gateway.payloads import TickPayloads
from simulator.gateway.session import Session
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from trials.load.plan import BlockPlan
from trials.load.sent import Recorder, TimedOutbox

CHUNKS: Final = 20
"""Steps in which the gateways of a block join during its ramp."""
MAX_BUSY_S: Final = 0.02
MIN_SLEEP_S: Final = 0.004
NEVER: Final = 2**62
"""First tick of a gateway that has not joined."""
LEAD_S: Final = 0.25
"""How long before its first due time a chunk begins to connect."""


@dataclass
class Block:
    """Pumps `first` to `first + pumps` of the fleet; `addresses` are those of its gateways, in order.

    Every gateway sends each `period_s`, at a phase of its own that does not depend on how busy the generator is: that
    is when its samples are due. `now` is wall ms with fractions.
    """

    plan: BlockPlan
    addresses: Sequence[Address]
    outbox_bytes: int
    recorder: Recorder
    now: Callable[[], float]
    report: Callable[[str], None]
    sessions: list[Session] = field(default_factory=list)
    begins_ms: float = 0.0
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    injected: list[tuple[str, str, float]] = field(default_factory=list)
    quiet: bool = False
    start_ms: int = 0
    _simulation: Simulation = field(init=False)
    _first_tick: npt.NDArray[np.int64] = field(init=False)

    async def prepare(self) -> None:
        """Enroll the pumps; takes about 2 s for a million."""
        plan = self.plan
        self._first_tick = np.full(len(plan.names), NEVER, np.int64)
        scenario = default(pumps=plan.pumps, interval_s=plan.interval_s * plan.speed, seed=plan.seed + plan.first)
        self.start_ms = round(self.now())
        self._simulation = await asyncio.to_thread(
            Simulation, scenario, start_ms=self.start_ms, boot=self.start_ms // 1000, on_wire=True, first=plan.first
        )
        descriptions = Descriptions(self._simulation)
        verifier = Verifier(Keys)
        for number, (address, own) in enumerate(zip(self.addresses, self._shares(), strict=True)):
            name = plan.names[number]

            def birth(session: Session) -> Birth:
                return Birth(
                    gateway=session.name,
                    pumps=descriptions.of(session.own),
                    sent=round(self.now()),
                    time=self._simulation.time_ms,
                    speed=plan.speed,
                    interval_s=scenario.interval_s,
                    faults=list(FAULTS),
                )

            outbox = TimedOutbox(self.outbox_bytes, gateway=name, recorder=self.recorder)
            self.sessions.append(
                Session(
                    name,
                    own,
                    outbox,
                    address,
                    birth=birth,
                    execute=_refuse,
                    wall_ms=lambda: round(self.now()),
                    verifier=verifier,
                )
            )

    def _shares(self) -> list[range]:
        per, pumps = self.plan.per_gateway, self.plan.pumps
        return [range(first, min(first + per, pumps)) for first in range(0, pumps, per)]

    def due_ms(self, number: int, tick: int) -> float:
        """Return when the samples of a gateway (by number in the block) are due in a tick, wall ms."""
        return self.begins_ms + 1000 * self.plan.interval_s * (tick + number / len(self.sessions))

    def _passed(self) -> npt.NDArray[np.int64]:
        """Return the latest tick that was due, for each gateway; -1 before the first."""
        period_ms, gateways = 1000 * self.plan.interval_s, len(self.sessions)
        return np.floor((self.now() - self.begins_ms) / period_ms - np.arange(gateways) / gateways).astype(np.int64)

    @property
    def offered(self) -> int:
        """Samples that were due so far, by the schedule and not by what was sent."""
        if not self.begins_ms:
            return 0
        ticks = (self._passed() - self._first_tick + 1).clip(0)
        return int((ticks * [len(session.own) for session in self.sessions]).sum())

    @property
    def active(self) -> int:
        """Gateways that have joined."""
        return int((self._first_tick < NEVER).sum())

    async def run(self) -> None:
        """Let the gateways join during the ramp, and send until cancelled."""
        pools: list[asyncio.Task[None]] = []
        ready, agreed = self.now() + 1000 * LEAD_S, self.plan.begins_ms
        self.begins_ms = max(agreed, ready) if agreed else ready + 1000
        if agreed and ready > agreed:
            self.report(f"{self.plan.pumps:,} pumps began {ready - agreed:.0f} ms after the agreed instant")
        sending = asyncio.create_task(self._send_on(), name="send")
        joining = asyncio.create_task(self._join(pools), name="join")
        try:
            waiting: set[asyncio.Task[None]] = {sending, joining}
            while True:
                done, _ = await asyncio.wait({*waiting, *pools}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                waiting.discard(joining) if joining.done() else None
        finally:
            for task in (sending, joining, *pools):
                task.cancel()
            await asyncio.gather(sending, joining, *pools, return_exceptions=True)

    async def _join(self, pools: list[asyncio.Task[None]]) -> None:
        """Connect chunk after chunk, evenly over the ramp; then inject the faults."""
        total = len(self.sessions)
        edges = sorted({math.ceil(total * step / CHUNKS) for step in range(CHUNKS + 1)})
        for step, (first, last) in enumerate(itertools.pairwise(edges)):
            at = self.begins_ms - 1000 * LEAD_S + 1000 * self.plan.ramp_s * step / max(1, len(edges) - 1)
            await asyncio.sleep(max(0.0, (at - self.now()) / 1000))
            pool = SessionPool(self.sessions[first:last], self.report, lambda _: None, random.Random())
            pools.append(asyncio.create_task(pool.run(), name="connect"))
            self._first_tick[first:last] = self._passed()[first:last] + 1
        rest = self.begins_ms + 1000 * self.plan.ramp_s - self.now()
        await asyncio.sleep(max(0.0, rest / 1000))
        self._inject()
        self.joined.set()

    def _inject(self) -> None:
        plan = self.plan
        count = round(plan.faulty * plan.pumps)
        chosen = np.random.default_rng(plan.seed + plan.first).choice(plan.pumps, count, replace=False)
        for place, fault in enumerate(plan.faults):
            pumps = np.sort(chosen[place :: len(plan.faults)])
            if len(pumps):
                self._simulation.inject(fault, pumps.astype(np.uint32), severity=0.9)
                at = self.now()
                self.injected += [(self._simulation.serials[int(index)], fault, at) for index in pumps]

    async def _send_on(self) -> None:
        tick = 0
        frame = await asyncio.to_thread(self._simulation.tick)
        while True:
            ahead = asyncio.create_task(asyncio.to_thread(self._simulation.tick), name="tick")
            try:
                await self._send(frame, tick)
            finally:
                frame = await ahead
            tick += 1

    async def _send(self, frame: pl.DataFrame, tick: int) -> None:
        index = frame["index"].to_numpy()
        starts = np.searchsorted(index, [session.own.start for session in self.sessions]).tolist()
        payloads = TickPayloads(frame.drop("index"), starts, [*starts[1:], len(index)])
        paused = time.monotonic()
        for number, session in enumerate(self.sessions):
            due = self.due_ms(number, tick)
            ahead_s = (due - self.now()) / 1000
            if ahead_s > MIN_SLEEP_S or time.monotonic() - paused > MAX_BUSY_S:
                await asyncio.sleep(max(0.0, ahead_s))
                paused = time.monotonic()
            if tick >= self._first_tick[number] and payloads.count(number) and not self.quiet:
                self._put(session, payloads, number, due)
        end = self.due_ms(0, tick + 1) - self.now()
        await asyncio.sleep(max(0.0, end / 1000 - MIN_SLEEP_S))

    def _put(self, session: Session, payloads: TickPayloads, number: int, due: float) -> None:
        if self.plan.payload == "arrow":
            stamp = session.stamp()
            made = [(payloads.arrow(number, stamp), payloads.count(number), stamp)]
        else:
            stamp = session.stamp()
            text = payloads.json(number, stamp)
            lines = [text] if self.plan.payload == "ndjson" else text.split(b"\n")
            each = payloads.count(number) // len(lines)
            made = [(line, each, stamp) for line in lines]
        for payload, samples, stamp in made:
            session.put(self.recorder.parcel(session.name, payload, samples, stamp, due))

    def disturb(self, kind: str, share: float) -> list[Session]:
        """Drop the connections of a share of the gateways; return those that are to stay away (`kind` is "cut")."""
        chosen = self.sessions[: math.ceil(share * self.active)]
        for session in chosen:
            if kind == "cut":
                session.cut_off(cut=True)
            else:
                session.abort()
        return chosen if kind == "cut" else []

    @property
    def waiting(self) -> int:
        """Messages that the broker has not confirmed."""
        return sum(session.unconfirmed for session in self.sessions)


async def _refuse(session: Session, command: GatewayCommand) -> Reply:
    return Reply(id=command.id, gateway=session.name, ok=False, text="a load test takes no commands")
