"""Simulator service: ticks the fleet on the wall clock and sends its samples through gateways over MQTT."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl

from broker.contract.codec import encode_arrow, encode_json
from broker.contract.commands import Clear, GatewayCommand, Inject, Reply
from broker.contract.gateway_messages import Birth
from broker.contract.topics import TRUTH
from broker.mqtt.address import parse_url
from simulator.faults import FAULTS
from simulator.gateway.commands import CommandExecutor
from simulator.gateway.ground_truth import GroundTruthReporter, LedgerFile, messages, run_header
from simulator.gateway.outbox import Outbox, Parcel
from simulator.gateway.session import Session
from simulator.gateway.spool import Spool
from simulator.playback.notation import ScenarioError
from simulator.playback.scenario import Scenario, default, load
from simulator.playback.simulation import Simulation

log = logging.getLogger("simulator")

PUMPS_PER_GATEWAY: Final = 25
MAX_DEFAULT_GATEWAYS: Final = 40
MAX_PUMPS_PER_GATEWAY: Final = 1000
SPREAD: Final = 0.8
"""Share of the time between two ticks over which the gateways send, one after another."""
MIN_SLEEP_S: Final = 0.005
OUTBOX_BYTES: Final = 512 * 1024 * 1024
"""Memory for the outboxes of all gateways of this process together."""
UNCONFIRMED_BYTES: Final = 256 * 1024 * 1024
"""Bytes of these that may be with the broker and not confirmed by the processor: half of what
`broker.mqtt.mosquitto_config` lets it queue."""
DISK_BYTES: Final = 2**50
"""With a spool the limit is in samples, and bytes are not limited."""
SPOOL_SAMPLES: Final = 5_000_000
"""Samples on disk of all gateways of this process: a day of 3,500 pumps with a sample a minute; 400 MB as Arrow."""
RETIRE_TIMEOUT_S: Final = 1.0
MAX_PENDING_TRUTH: Final = 1000
"""Messages of ground truth that wait for a connection; beyond it the oldest are lost, with a warning."""


@dataclass(frozen=True)
class Settings:
    """How the simulator runs. None takes the value of the scenario, or for `gateways` what suits the size of the fleet.

    `speed` is therapy seconds per wall second. `payload`: "auto" is JSON for a gateway of one pump, Arrow for more.
    `truth` is the folder for the file of ground truth. With `spool` gateways keep parcels that are not safe elsewhere
    in that folder, up to `spool_samples` for all of them together; without it, in memory. When a processor confirms,
    no more than `unconfirmed_bytes` of all gateways together are with the broker and not confirmed.
    """

    broker: str
    pumps: int | None = None
    gateways: int | None = None
    speed: float = 60.0
    interval_s: float | None = None
    seed: int | None = None
    scenario: str | None = None
    payload: Literal["auto", "json", "arrow"] = "auto"
    truth: Path | None = None
    spool: Path | None = None
    spool_samples: int = SPOOL_SAMPLES
    unconfirmed_bytes: int = UNCONFIRMED_BYTES
    name: str = "gateway"


def plan(settings: Settings) -> Scenario:
    """Return the scenario to run, with what the settings override; raises `ScenarioError`."""
    scenario = load(settings.scenario) if settings.scenario else default()
    return dataclasses.replace(
        scenario,
        pumps=settings.pumps or scenario.pumps,
        interval_s=settings.interval_s or scenario.interval_s,
        seed=scenario.seed if settings.seed is None else settings.seed,
    )


def gateways_for(pumps: int) -> int:
    """Return how many gateways a fleet gets by default: 25 pumps each, then 40 of up to 1,000 pumps, then more."""
    few = min(MAX_DEFAULT_GATEWAYS, math.ceil(pumps / PUMPS_PER_GATEWAY))
    return max(few, math.ceil(pumps / MAX_PUMPS_PER_GATEWAY))


def wall_ms() -> int:
    """Return the wall clock in ms."""
    return time.time_ns() // 1_000_000


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run the fleet until `stop`; calls `ready` with a summary when every gateway is connected."""
    scenario = plan(settings)
    if not 0 < settings.speed <= 100_000:
        raise ScenarioError(f"speed is {settings.speed:g}; allowed is above 0 and up to 100,000")
    count = settings.gateways or gateways_for(scenario.pumps)
    if not 1 <= count <= scenario.pumps:
        raise ScenarioError(f"{count} gateways for {scenario.pumps} pumps; allowed is 1 to one for each pump")
    now = wall_ms()
    start = now if scenario.start_ms is None else scenario.start_ms
    simulation = await asyncio.to_thread(Simulation, scenario, start_ms=start, boot=now // 1000, on_wire=True)
    await _Fleet(settings, simulation, count).run(stop, ready)


class _Fleet:
    """All gateways of this process, on one simulation."""

    def __init__(self, settings: Settings, simulation: Simulation, count: int) -> None:
        self.settings, self.simulation, self.executor = settings, simulation, CommandExecutor(simulation)
        self.busy = asyncio.Lock()
        self.reporter = GroundTruthReporter(simulation)
        self.ledger = LedgerFile(settings.truth, run_header(simulation)) if settings.truth else None
        self.pending_truth: collections.deque[bytes] = collections.deque(maxlen=MAX_PENDING_TRUTH)
        self.truth_lost = 0
        self.treated: set[str] = set()
        self.cut = False
        self.period_s = simulation.scenario.interval_s / settings.speed
        address = parse_url(settings.broker)
        edges = np.linspace(0, simulation.scenario.pumps, count + 1).astype(int).tolist()
        digits = max(2, len(str(count - 1)))
        self.sessions = [
            Session(
                self._name(number, digits),
                range(first, last),
                self._outbox(self._name(number, digits), count),
                address,
                birth=self._birth,
                execute=self._execute,
                wall_ms=wall_ms,
            )
            for number, (first, last) in enumerate(itertools.pairwise(edges))
        ]

    def _name(self, number: int, digits: int) -> str:
        return f"{self.settings.name}-{number:0{digits}d}"

    def _outbox(self, name: str, count: int) -> Outbox:
        """Return the outbox of one of `count` gateways, with its parcels on disk from an earlier run."""
        settings = self.settings
        unconfirmed = settings.unconfirmed_bytes // count
        if settings.spool is None:
            return Outbox(OUTBOX_BYTES // count, max_unconfirmed=unconfirmed)
        limit, spool = max(1, settings.spool_samples // count), Spool(settings.spool / name)
        box = Outbox(DISK_BYTES, limit, spool, patient=True, max_unconfirmed=unconfirmed)
        if box.waiting:
            log.info("%s sends %s samples of an earlier run from disk first", name, f"{box.waiting:,}")
        return box

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        chance = random.Random()
        first = self.sessions[0]
        keeping = [
            asyncio.create_task(session.run(log.warning if session is first else log.debug, chance), name=session.name)
            for session in self.sessions
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        ticking = asyncio.create_task(self._tick_on(), name="tick")
        meeting = asyncio.create_task(self._announce(ready), name="meet")
        try:
            done, _ = await asyncio.wait({stopping, ticking, *keeping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            for session in self.sessions:
                session.retire()
            await asyncio.sleep(min(RETIRE_TIMEOUT_S, 0.2 + len(self.sessions) / 1000))
        finally:
            ending = (stopping, ticking, meeting, *keeping)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _announce(self, ready: Callable[[str], None]) -> None:
        for session in self.sessions:
            await session.connected.wait()
        pumps = self.simulation.scenario.pumps
        log.info("%s pumps on %s gateways, therapy time x%g", pumps, len(self.sessions), self.settings.speed)
        ready(f"{pumps} pumps, {len(self.sessions)} gateways")

    def _birth(self, session: Session) -> Birth:
        return Birth(
            gateway=session.name,
            pumps=self.simulation.describe(session.own),
            sent=wall_ms(),
            time=self.simulation.time_ms,
            speed=self.settings.speed,
            interval_s=self.simulation.scenario.interval_s,
            faults=list(FAULTS),
        )

    async def _execute(self, session: Session, command: GatewayCommand) -> Reply:
        async with self.busy:
            reply = self.executor.execute(session.name, session.own, command)
        if reply.ok and not isinstance(command, Inject | Clear):
            self.treated.add(session.name)
        return reply

    async def _tick_on(self) -> None:
        """Tick on the wall clock; if the machine cannot keep up, therapy time falls behind, with a warning."""
        began, ticks, behind = time.monotonic(), 0, False
        while True:
            due = began + ticks * self.period_s
            late_s = time.monotonic() - due
            if late_s > max(1.0, self.period_s):
                if not behind:
                    log.warning(
                        "Simulation is too slow for x%g: therapy time falls behind; use fewer pumps or a lower speed",
                        self.settings.speed,
                    )
                behind, began = True, began + late_s
            elif behind and late_s < self.period_s / 2:
                behind = False
                log.info("Simulation keeps up with x%g again", self.settings.speed)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            async with self.busy:
                frame = await asyncio.to_thread(self.simulation.tick)
            self._cut_off()
            self._publish_truth()
            self._renew_births()
            await self._send(frame, time.monotonic())
            ticks += 1

    def _cut_off(self) -> None:
        """Disconnect the gateways of pumps that the scenario cuts off from the broker, and let the others reconnect."""
        cut = self.simulation.cut_off()
        for session in self.sessions if len(cut) or self.cut else ():
            first, end = np.searchsorted(cut, (session.own.start, session.own.stop))
            session.cut_off(cut=bool(end > first))
        if bool(len(cut)) != self.cut:
            self.cut = not self.cut
            log.info("Broker outage of the scenario %s", "begins" if self.cut else "ends")

    def _publish_truth(self) -> None:
        """Publish which faults began and ended; without a connection the latest messages wait."""
        changes = self.reporter.changes()
        if changes and self.ledger:
            self.ledger.write(changes)
        for message in messages(changes, wall_ms()):
            self.truth_lost += len(self.pending_truth) == MAX_PENDING_TRUTH
            self.pending_truth.append(message)
        link = self.sessions[0].link
        while self.pending_truth and link.alive:
            link.publish(TRUTH, self.pending_truth.popleft())
        if self.truth_lost:
            log.warning("%s messages of ground truth were lost: the broker was away for too long", self.truth_lost)
            self.truth_lost = 0

    def _renew_births(self) -> None:
        """Publish new births of gateways whose pumps got another program or concentration."""
        for session in self.sessions if self.treated else ():
            if session.name in self.treated and session.link.alive:
                self.treated.discard(session.name)
                session.publish_birth()

    async def _send(self, frame: pl.DataFrame, began: float) -> None:
        """Give each gateway its samples, spread over the time until the next tick."""
        index = frame["index"].to_numpy()
        starts = np.searchsorted(index, [session.own.start for session in self.sessions])
        ends = np.append(starts[1:], len(index))
        samples = frame.drop("index")
        step_s = SPREAD * self.period_s / len(self.sessions)
        for number, session in enumerate(self.sessions):
            ahead_s = began + number * step_s - time.monotonic()
            if ahead_s > MIN_SLEEP_S:
                await asyncio.sleep(ahead_s)
            part = samples[int(starts[number]) : int(ends[number])]
            if part.height:
                session.put(self._parcel(session, part))
        await asyncio.sleep(0)

    def _parcel(self, session: Session, part: pl.DataFrame) -> Parcel:
        stamp = session.stamp()
        stamped = part.with_columns(pl.lit(stamp).alias("sent"))
        as_json = self.settings.payload == "json" or (self.settings.payload == "auto" and len(session.own) == 1)
        return Parcel(encode_json(stamped) if as_json else encode_arrow(stamped), part.height, stamp)
