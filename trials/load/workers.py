"""Workers of a load test, as the runner sees them: who takes part, their clocks, orders, answers and loss."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from broker.contract.topics import load_topic, worker_of
from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message
from trials.load.clock_offset import MAX_PINGS, Offset, Ping, offset_of
from trials.load.followed import Followed
from trials.load.generators import Generates, GeneratorError
from trials.load.plan import Order, Progress, Stop
from trials.load.worker_messages import (
    Answer,
    Begin,
    Call,
    Confirmed,
    Failed,
    Gone,
    Hello,
    Report,
    Sent,
    WorkerMessageError,
    encode,
    read_answer,
    read_state,
    table_of,
)

WAIT_S: Final = 30.0
"""How long the runner waits for its workers."""
FIRST_PINGS: Final = 40
PING_STEP_S: Final = 0.025
PING_S: Final = 1.0
SILENT_S: Final = 10.0
"""A worker that reports nothing for so long is lost; it reports twice a second."""
END_S: Final = 30.0


class WorkerLostError(GeneratorError):
    """A worker ended, or was heard of no more, in the middle of a run: the run is void."""


@dataclass
class RemoteGenerator:
    """A worker that takes part in the run. `ended` says why it takes part no more."""

    name: str
    link: Link
    now: Callable[[], float]
    pings: list[Ping] = field(default_factory=list)
    first: Offset | None = None
    progress: Progress | None = None
    ended: str = ""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    heard: float = field(default_factory=time.monotonic)
    _ordered: bool = False

    async def order(self, order: Order) -> None:
        """Give an order; raises `WorkerLostError`."""
        self.check()
        self._ordered = True
        self.send(order)

    def send(self, message: Begin | Call | Order) -> None:
        """Publish an order."""
        if self.link.alive:
            self.link.publish(load_topic(self.name, "orders"), encode(message))

    def ping(self) -> None:
        """Ask for the worker's clock."""
        self.send(Call(sent=self.now()))

    def check(self) -> None:
        """Raise `WorkerLostError` with the evidence if the worker is gone."""
        if not self.link.alive:
            raise WorkerLostError(f"worker {self.name}: the runner's own connection to the broker was lost")
        if not self.ended and self._ordered and time.monotonic() - self.heard > SILENT_S:
            self.ended = f"heard nothing of it for {SILENT_S:g} s"
        if self.ended:
            made = f"{self.progress.made:,}" if self.progress else "no"
            raise WorkerLostError(f"worker {self.name} was lost: {self.ended}; it had made {made} samples")

    async def stop(self) -> None:
        """Let it finish, if it still takes part."""
        if self.ended or not self.link.alive:
            return
        self.send(Stop())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.finished.wait(), END_S)

    def offsets(self) -> dict[str, float]:
        """Return what was measured of its clock, for the report, in ms; empty without an answer."""
        found = offset_of(self.pings)
        if self.first is None or found is None:
            return {}
        return {
            "ahead_ms": round(self.first.ahead_ms, 3),
            "uncertainty_ms": round(self.first.uncertainty_ms, 3),
            "ahead_over_run_ms": round(found.ahead_ms, 3),
            "pings": found.pings,
        }


@dataclass
class Workers:
    """The workers at a broker; those that take part are in `members`."""

    followed: Followed
    on_progress: Callable[[Generates, Progress], None]
    now: Callable[[], float]
    unread: int = 0
    waiting: dict[str, Hello] = field(default_factory=dict)
    members: dict[str, RemoteGenerator] = field(default_factory=dict)
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    def receive(self, message: Message) -> None:
        """Take in a state or an answer of a worker; what cannot be read is counted."""
        name, leaf = worker_of(message.topic)
        try:
            if leaf == "state":
                self._state(name, read_state(message.payload) if message.payload else Gone())
            elif name in self.members:
                self._answer(self.members[name], message.payload)
        except WorkerMessageError:
            self.unread += 1

    def _state(self, name: str, state: Hello | Gone) -> None:
        if isinstance(state, Hello):
            self.waiting[name] = state
        else:
            self.waiting.pop(name, None)
        member = self.members.get(name)
        if member is None:
            return
        if isinstance(state, Gone):
            member.ended = member.ended or "its connection to the broker ended"
        if isinstance(state, Gone) or state.run != self.run:
            member.finished.set()

    def _answer(self, member: RemoteGenerator, payload: bytes) -> None:
        answer, member.heard = read_answer(payload), time.monotonic()
        match answer:
            case Answer():
                if len(member.pings) < MAX_PINGS:
                    member.pings.append(Ping(answer.sent, answer.received, answer.returned, self.now()))
            case Sent():
                self.followed.add_sent(table_of(answer))
            case Confirmed():
                self.followed.add_confirmed(table_of(answer))
            case Report():
                member.progress = answer.progress
                self.on_progress(member, answer.progress)
            case Failed():
                member.ended = answer.text

    async def gather(self, link: Link, count: int) -> list[RemoteGenerator]:
        """Wait for `count` workers that are free, and compare their clocks; raises `GeneratorError`."""
        latest = time.monotonic() + WAIT_S
        while len(free := sorted(name for name, hello in self.waiting.items() if not hello.run)) < count:
            if time.monotonic() > latest:
                raise GeneratorError(
                    f"{len(free)} of {count} workers are ready at {link.address.url} after {WAIT_S:g} s"
                    f"{': ' + ', '.join(free) if free else ''}; start more with: pumpwatch load --worker --broker URL"
                )
            await asyncio.sleep(0.1)
        self.members = {name: RemoteGenerator(name, link, self.now) for name in free[:count]}
        for _ in range(FIRST_PINGS):
            for member in self.members.values():
                member.ping()
            await asyncio.sleep(PING_STEP_S)
        await asyncio.sleep(10 * PING_STEP_S)
        for member in self.members.values():
            member.first = offset_of(member.pings)
            if member.first is None:
                raise GeneratorError(f"worker {member.name} answers no pings, so its clock is unknown; start it again")
            member.send(Begin(run=self.run, ahead_ms=member.first.ahead_ms))
        return list(self.members.values())

    async def keep_pinging(self) -> None:
        """Ping every second: it measures the drift of the clocks, and tells the workers that the runner lives."""
        while True:
            await asyncio.sleep(PING_S)
            for member in self.members.values():
                member.ping()


@contextlib.asynccontextmanager
async def gathered(
    address: Address,
    count: int,
    followed: Followed,
    on_progress: Callable[[Generates, Progress], None],
    now: Callable[[], float],
) -> AsyncIterator[list[RemoteGenerator]]:
    """Let `count` workers take part until the end of the block; raises `GeneratorError` and `LinkError`."""
    workers = Workers(followed, on_progress, now)
    link = Link(address, f"pumpwatch-load-runner-{workers.run}", on_message=workers.receive)
    await link.open()
    pinging = asyncio.create_task(workers.keep_pinging(), name="ping")
    try:
        link.subscribe(load_topic("+", "state"))
        link.subscribe(load_topic("+", "answers"))
        yield await workers.gather(link, count)
    finally:
        await asyncio.gather(*(member.stop() for member in workers.members.values()), return_exceptions=True)
        pinging.cancel()
        await asyncio.gather(pinging, return_exceptions=True)
        await link.close()
