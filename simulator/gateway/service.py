"""Simulator service: ticks the fleet on the wall clock and sends its samples through gateways over MQTT."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import polars as pl

from broker.contract.commands import Clear, GatewayCommand, Inject, Playback, Reply
from broker.contract.gateway_messages import Birth
from broker.contract.signed import Keys, Verifier
from broker.metrics.readings import Reading, Vitals
from broker.mqtt.address import LinkError
from broker.mqtt.connection_limits import shortage
from broker.mqtt.session_pool import SessionPool
from broker.mqtt.settling import PROGRESS_INTERVAL_S, settle, slices
from broker.store.action_key import KeyFile
from simulator.faults import FAULTS
from simulator.gateway import vitals
from simulator.gateway.commands import CommandExecutor
from simulator.gateway.descriptions import Descriptions
from simulator.gateway.ground_truth import GroundTruthReporter, LedgerFile, messages, run_header
from simulator.gateway.logins import addresses, truth_address
from simulator.gateway.outbox import Parcel
from simulator.gateway.payloads import TickPayloads
from simulator.gateway.player import ScenarioPlayer
from simulator.gateway.session import Session
from simulator.gateway.settings import Settings, gateway_names, outbox, plan
from simulator.gateway.truth_channel import TruthChannel
from simulator.playback.simulation import Simulation

log = logging.getLogger("simulator")

SPREAD: Final = 0.8
"""Share of the time between two ticks over which the gateways send, one after another."""
MIN_SLEEP_S: Final = 0.005
MAX_BUSY_S: Final = 0.02
"""After this time of sending without a pause the event loop runs."""
RETIRE_TIMEOUT_S: Final = 6.0


def wall_ms() -> int:
    """Return the wall clock in ms."""
    return time.time_ns() // 1_000_000


def _ignore(_: str) -> None:
    """Show no progress."""


async def run(
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    progress: Callable[[str], None] = _ignore,
    watched: Vitals | None = None,
) -> None:
    """Run the fleet until `stop`; calls `ready` with a summary when every gateway is connected.

    `progress` gets how many are, while they connect or end, `watched` what there is to watch. Raises
    `LinkError` and `ScenarioError`.
    """
    scenario, count = plan(settings)
    if too_few := shortage(count, files=count if settings.spool else 0):
        raise LinkError(f"{count:,} gateways need as many connections: {too_few}; or use fewer gateways")
    now = wall_ms()
    start = now if scenario.start_ms is None else scenario.start_ms
    simulation = await asyncio.to_thread(Simulation, scenario, start_ms=start, boot=now // 1000, on_wire=True)
    fleet = _Fleet(settings, simulation, count)
    if watched is not None:
        watched.read, watched.problems = fleet.read, lambda: vitals.problems(fleet.sessions)
    await fleet.run(stop, ready, progress)


class _Fleet:
    """All gateways of this process, on one simulation."""

    def __init__(self, settings: Settings, simulation: Simulation, count: int) -> None:
        names = gateway_names(settings.name, count)
        self.settings, self.simulation = settings, simulation
        self.player = ScenarioPlayer(simulation, settings.speed, settings.truth, names[0], settings.scenario or "")
        self.executor = CommandExecutor(simulation, self.player.execute)
        self.descriptions = Descriptions(simulation)
        self.busy = asyncio.Lock()
        self.reporter = GroundTruthReporter(simulation, self.executor.commanded)
        self.ledger = LedgerFile(settings.truth, run_header(simulation)) if settings.truth else None
        self.truth = TruthChannel(truth_address(settings))
        self.treated: set[str] = set()
        self.cut = False
        self.sent, self.behind_s = 0, 0.0
        verifier = Verifier(Keys if settings.action_key is None else KeyFile(settings.action_key), since=wall_ms())
        edges = np.linspace(0, simulation.scenario.pumps, count + 1).astype(int).tolist()
        self.sessions = [
            Session(
                name,
                range(first, last),
                outbox(settings, name, count),
                address,
                birth=self._birth,
                execute=self._execute,
                wall_ms=wall_ms,
                verifier=verifier,
            )
            for name, address, (first, last) in zip(
                names, addresses(settings, names), itertools.pairwise(edges), strict=True
            )
        ]

    def read(self) -> Iterator[Reading]:
        pumps = self.simulation.scenario.pumps
        return vitals.read(self.sessions, pumps=pumps, sent=self.sent, behind_s=self.behind_s)

    @property
    def period_s(self) -> float:
        return self.simulation.scenario.interval_s / self.player.speed

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None], progress: Callable[[str], None]) -> None:
        for session in self.sessions:
            if session.outbox.waiting:
                log.info("%s sends %s samples of an earlier run from disk first", session.name, session.outbox.waiting)
        pool = SessionPool(self.sessions, log.warning, progress, random.Random())
        stopping = asyncio.create_task(stop.wait(), name="stop")
        ticking = asyncio.create_task(self._tick_on(), name="tick")
        keeping = asyncio.create_task(pool.run(), name="connect")
        meeting = asyncio.create_task(self._announce(pool, ready), name="meet")
        telling = asyncio.create_task(self.truth.run(), name="truth")
        ending = (stopping, ticking, meeting, keeping, telling)
        try:
            done, _ = await asyncio.wait({stopping, ticking, keeping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            ticking.cancel()
            await self._retire(progress)
        finally:
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _announce(self, pool: SessionPool, ready: Callable[[str], None]) -> None:
        await pool.complete.wait()
        pumps, gateways = self.simulation.scenario.pumps, len(self.sessions)
        log.info("%s pumps on %s gateways, therapy time x%g", f"{pumps:,}", f"{gateways:,}", self.player.speed)
        ready(f"{pumps} pumps, {gateways} gateways")

    async def _retire(self, progress: Callable[[str], None]) -> None:
        """Publish that all gateways end on purpose, and wait until the broker has it."""
        total, shown = len(self.sessions), time.monotonic()
        for number, part in enumerate(slices(self.sessions)):
            for session in part:
                session.retire()
            await asyncio.sleep(0)
            if time.monotonic() - shown >= PROGRESS_INTERVAL_S:
                shown = time.monotonic()
                progress(f"{number * len(part):,} of {total:,} gateways sign off")

        def left() -> int:
            return sum(session.unconfirmed > 0 for session in self.sessions)

        rest = await settle(
            left,
            lambda count: progress(f"{total - count:,} of {total:,} gateways signed off"),
            limit_s=RETIRE_TIMEOUT_S,
        )
        if rest:
            log.warning("%s gateways ended before the broker confirmed it", f"{rest:,}")

    def _birth(self, session: Session) -> Birth:
        return Birth(
            gateway=session.name,
            pumps=self.descriptions.of(session.own),
            sent=wall_ms(),
            time=self.simulation.time_ms,
            speed=self.player.speed,
            interval_s=self.simulation.scenario.interval_s,
            faults=list(FAULTS),
            fault_titles={name: fault.title for name, fault in FAULTS.items()},
        )

    async def _execute(self, session: Session, command: GatewayCommand) -> Reply:
        async with self.busy:
            reply = self.executor.execute(session.name, session.own, command)
        if isinstance(command, Playback):
            self.treated.update(each.name for each in self.sessions if command.action == "speed" and reply.ok)
        elif reply.ok and not isinstance(command, Inject | Clear):
            self.treated.add(session.name)
            self.descriptions.forget()
        return reply

    async def _tick_on(self) -> None:
        """Tick on the wall clock; if the machine cannot keep up, therapy time falls behind, with a warning."""
        due, behind = time.monotonic(), False
        while True:
            late_s = time.monotonic() - due
            self.behind_s = max(0.0, late_s)
            if late_s > max(1.0, self.period_s):
                if not behind:
                    log.warning(
                        "Simulation is too slow for x%g: therapy time falls behind; use fewer pumps or a lower speed",
                        self.player.speed,
                    )
                behind, due = True, due + late_s
            elif behind and late_s < self.period_s / 2:
                behind = False
                log.info("Simulation keeps up with x%g again", self.player.speed)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            async with self.busy:
                frame = await asyncio.to_thread(self.simulation.tick)
            self._cut_off()
            self._publish_truth()
            self._renew_births()
            await self._send(frame, time.monotonic())
            due += self.period_s

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
        """Publish which faults began and ended."""
        self.player.report(wall_ms())
        changes = self.reporter.changes()
        if changes and self.ledger:
            self.ledger.write(changes)
        self.truth.publish(messages(changes, wall_ms()), self.sessions[0])

    def _renew_births(self) -> None:
        """Publish new births of gateways whose pumps got another program or concentration."""
        for session in self.sessions if self.treated else ():
            if session.name in self.treated and session.alive:
                self.treated.discard(session.name)
                session.publish_birth()

    async def _send(self, frame: pl.DataFrame, began: float) -> None:
        """Give each gateway its samples, spread over the time until the next tick."""
        index = frame["index"].to_numpy()
        starts = np.searchsorted(index, [session.own.start for session in self.sessions]).tolist()
        payloads = TickPayloads(frame.drop("index"), starts, [*starts[1:], len(index)])
        step_s = SPREAD * self.period_s / len(self.sessions)
        paused = began
        for number, session in enumerate(self.sessions):
            now = time.monotonic()
            ahead_s = began + number * step_s - now
            if ahead_s > MIN_SLEEP_S or now - paused > MAX_BUSY_S:
                await asyncio.sleep(max(0.0, ahead_s))
                paused = time.monotonic()
            if payloads.count(number):
                session.put(self._parcel(session, payloads, number))
                self.sent += payloads.count(number)
        await asyncio.sleep(0)

    def _parcel(self, session: Session, payloads: TickPayloads, number: int) -> Parcel:
        stamp = session.stamp()
        as_json = self.settings.payload == "json" or (self.settings.payload == "auto" and len(session.own) == 1)
        payload = payloads.json(number, stamp) if as_json else payloads.arrow(number, stamp)
        return Parcel(payload, payloads.count(number), stamp)
