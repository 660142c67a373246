"""Node of a cluster: takes its share of the ranges, and runs a processor on each, for as long as it holds the lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from broker.metrics.readings import Vitals
from cluster import layout
from cluster.leases import RENEW_S, Lease, Leases, fair_share
from cluster.membership import Membership
from cluster.nats_server import ACK_WAIT_S
from cluster.worker import Worker
from processor.service import loop
from processor.service.fence import FencedError
from processor.service.settings import Part, Settings

log = logging.getLogger("node")

MAX_WAIT_S: Final = 15.0
"""Longest pause before a processor that failed is started again on its range."""

REDELIVERY_S: Final = 1.5 * ACK_WAIT_S
"""How long after connecting a processor waits for messages that the server had delivered to a former owner. The server
delivers them again after its own wait, which may have only just begun (measured: up to 5.0 s), and a busy machine takes
longer. Gateways are then asked for those that are missing."""

Mine = Callable[[], bool]
"""Whether nobody else can hold the lease yet."""


@dataclass(frozen=True)
class Elected:
    """A service that one node runs for all: `run` works until the event is set, and only while it holds the lease."""

    number: int
    name: str
    run: Callable[[Mine, asyncio.Event], Awaitable[None]]


@dataclass
class _Job:
    """A lease with the service that works under it, how often that failed in a row, and when it may start again."""

    lease: Lease
    worker: Worker
    leaving: bool = False
    failures: int = 0
    again_s: float = 0.0


@dataclass
class Node:
    """One node. `settings` are those of the processors, except data directory and part.

    `lost` counts lost leases, `restarts` services that failed, `live` the nodes that are alive; `vitals` are what the
    processor of each range tells. `clock` is that of the leases and the membership.
    """

    data: Path
    ranges: int
    settings: Settings
    leases: Leases
    members: Membership
    clock: Callable[[], float]
    elected: Sequence[Elected] = ()
    lost: int = 0
    restarts: int = 0
    live: int = 0
    vitals: dict[int, Vitals] = field(default_factory=dict)
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _ending: dict[int, Worker] = field(default_factory=dict)
    _share: frozenset[int] = frozenset()
    _connected: set[int] = field(default_factory=set)
    _unreachable: bool = False

    def problems(self) -> list[str]:
        """Return the codes of what keeps the node from being useful."""
        return ["broker_away"] if self._unreachable else []

    @property
    def running(self) -> list[int]:
        """The ranges whose processors run on this node."""
        return sorted(number for number, job in self._jobs.items() if number < self.ranges and job.worker.alive)

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Run until `stop`, then end the processors and give the leases back.

        `ready` is called once the processors of its share are connected: before, nobody listens to gateways.
        Raises `MembershipError` if the cluster has too many nodes.
        """
        is_ready = False
        while not stop.is_set():
            if await self._reached(self._step) and not is_ready and self._connected >= self._share:
                ready()
                is_ready = True
            await self._pause(stop)
        for job in self._jobs.values():
            job.leaving = True
            job.worker.stop()
        # What ends holds its lease until then; without servers, leases end by themselves. A thread tells nobody.
        while await self._reached(self._keep) and self._jobs:  # noqa: ASYNC110
            await asyncio.sleep(RENEW_S / 4)
        workers = [*self._ending.values(), *(job.worker for job in self._jobs.values())]
        while any(worker.alive for worker in workers):  # noqa: ASYNC110
            await asyncio.sleep(RENEW_S / 4)
        await self._reached(self.members.leave)

    async def _pause(self, stop: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(stop.wait(), RENEW_S)
        except TimeoutError:
            return

    async def _reached(self, act: Callable[[], Awaitable[None]]) -> bool:
        """Do something with the servers; return whether they could be reached, and say so when that changes."""
        try:
            await act()
        except OSError as error:
            if not self._unreachable:
                log.warning("%s; processors stop when their leases are over", error)
            self._unreachable = True
            return False
        if self._unreachable:
            log.info("the cluster's servers answer again")
        self._unreachable = False
        return True

    async def _step(self) -> None:
        """Renew what this node holds, and take or give back what changes its share."""
        await self._keep()
        live = await self.members.beat()
        self.live = len(live)
        owners = dict(enumerate(await asyncio.gather(*map(self.leases.owner, range(self.ranges)))))
        self._share = share = fair_share(live, owners, self.ranges)[self.leases.node]
        for number, job in self._jobs.items():
            if number < self.ranges and number not in share and not job.leaving:
                log.info("range %02d moves to another node", number)
                job.leaving = True
                job.worker.stop()
        for number in sorted(share):
            await self._take(number, self._process)
        for service in self.elected:
            await self._take(service.number, partial(_serve, service, self.clock))

    async def _keep(self) -> None:
        """Renew all leases; look after services that ended."""
        await asyncio.gather(*(self._renew(number) for number in list(self._jobs)))
        self._ending = {number: worker for number, worker in self._ending.items() if worker.alive}
        for number, job in list(self._jobs.items()):
            if job.worker.alive:
                continue
            if job.leaving:
                await self.leases.release(number)
                del self._jobs[number]
            else:
                self._restart(number, job)

    async def _renew(self, number: int) -> None:
        if not await self.leases.renew(number):
            # Its service knows by its own clock, and ends.
            self.lost += 1
            job = self._jobs.pop(number)
            job.worker.stop()
            self._ending[number] = job.worker
            log.warning("the lease on %s is lost (epoch %s); another node may have it", _name(number), job.lease.epoch)

    def _restart(self, number: int, job: _Job) -> None:
        """Start a service again that failed while the lease is held, after a pause that doubles."""
        now = self.clock()
        if not job.lease.mine(now):
            return
        if job.worker.error is not None and not isinstance(job.worker.error, FencedError) and not job.again_s:
            wait_s = min(MAX_WAIT_S, RENEW_S * 2**job.failures)
            job.failures, job.again_s = min(job.failures + 1, 10), now + wait_s
            self.restarts += 1
            log.error("%s failed: %s; starting again in %g s", _name(number), job.worker.error, wait_s)
        if now >= job.again_s:
            job.again_s = 0.0
            job.worker = Worker(job.worker.name, job.worker.work)
            job.worker.start()

    async def _take(self, number: int, work_of: Callable[[Lease], Callable[[asyncio.Event], Awaitable[None]]]) -> None:
        """Acquire a lease that this node should have, if it is free, and start its service."""
        if number in self._jobs or number in self._ending:
            return
        lease = await self.leases.acquire(number)
        if lease is None:
            return
        worker = Worker(_name(number), work_of(lease))
        self._jobs[number] = _Job(lease, worker)
        worker.start()

    def _process(self, lease: Lease) -> Callable[[asyncio.Event], Awaitable[None]]:
        """Return the work of the owner of a range: make the directory of its epoch, and run the processor on it."""
        part = Part(
            lease.number,
            self.ranges,
            _name(lease.number),
            topics_of(lease.number, self.ranges),
            self.data,
            lambda: lease.mine(self.clock()),
            REDELIVERY_S,
            lease.epoch,
        )

        async def work(stop: asyncio.Event) -> None:
            began = self.clock()
            directory = await asyncio.to_thread(_directory, self.data, lease)
            settings = replace(
                self.settings, data=directory, history_bytes=self.settings.history_bytes // self.ranges, part=part
            )

            def ready(address: str) -> None:
                self._connected.add(lease.number)
                log.info(
                    "%s runs as epoch %s at %s, %.1f s later", part.name, lease.epoch, address, self.clock() - began
                )

            # A new one each time: what a former run of the range still has in hand must not be told as this one's.
            own = self.vitals[lease.number] = Vitals("processor")
            await loop.run(settings, stop, ready, own)

        return work


def topics_of(number: int, ranges: int) -> tuple[str, ...]:
    """Return the topic filters of a range: one for each of its shards."""
    return tuple(f"itb/{shard:02d}/+/+" for shard in layout.shards_of(number, ranges))


def _serve(service: Elected, clock: Callable[[], float], lease: Lease) -> Callable[[asyncio.Event], Awaitable[None]]:
    async def work(stop: asyncio.Event) -> None:
        log.info("this node runs the %s", service.name)
        await service.run(lambda: lease.mine(clock()), stop)

    return work


def _directory(data: Path, lease: Lease) -> Path:
    """Return the directory of a lease's epoch, made if it is not there: a processor that failed goes on in its own."""
    if lease.epoch in layout.epochs(data, lease.number):
        return layout.epoch_directory(data, lease.number, lease.epoch)
    directory = layout.take_over(data, lease.number, lease.epoch)
    layout.prune(data, lease.number)
    return directory


def _name(number: int) -> str:
    return "the merger" if number >= layout.RANGES[-1] else f"range {number:02d}"
