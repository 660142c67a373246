"""Generator of a load test: a process that sends the samples of simulated pumps when they are due, whatever happens.

Orders come as lines of JSON on standard input; answers go to standard output, each with a kind and a length.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from broker.mqtt.settling import settle
from simulator.gateway.logins import each_at
from trials.load.block import Block
from trials.load.plan import ORDERS, BlockClock, BlockPlan, Disturb, Progress, Stop
from trials.load.sent import Recorder, packed

REPORT_S: Final = 0.5
OUTBOX_BYTES: Final = 512 * 1024 * 1024
"""Memory for what the broker has not confirmed, of all gateways of this process; beyond, the oldest are dropped and
counted."""
SETTLE_S: Final = 10.0
MAX_NOTES: Final = 50
MAX_UNREAD_BYTES: Final = 256 * 1024 * 1024
"""Answers that may wait for a runner that does not read them."""
HEADER: Final = struct.Struct(">cI")
SENT, CONFIRMED, PROGRESS = b"s", b"c", b"p"


class Login(msgspec.Struct, kw_only=True, frozen=True):
    """First line on standard input: where gateways connect, and the secret of their passwords (None: none).

    `ahead_ms` is how far this machine's clock is ahead of the runner's; all times are given by the runner's.
    """

    url: Annotated[str, Meta(max_length=2_000)]
    secret: Annotated[str, Meta(max_length=2_000)] | None = None
    ahead_ms: float = 0.0


def wall_ms() -> float:
    """Return the wall clock in ms, with fractions."""
    return time.time_ns() / 1e6


class Generator:
    """Blocks of pumps of one process. `answer` gets a kind and a payload."""

    def __init__(self, login: Login, answer: Callable[[bytes, bytes], None]) -> None:
        self.login, self.answer = login, answer
        self.recorder = Recorder(self.now)
        self.blocks: list[Block] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.notes: list[str] = []
        self.made = 0
        self._announced = 0

    def now(self) -> float:
        """Return the runner's wall clock in ms, with fractions."""
        return wall_ms() - self.login.ahead_ms

    async def join(self, plan: BlockPlan) -> None:
        """Let a block join."""
        secret = self.login.secret
        addresses = each_at(self.login.url, None if secret is None else secret.encode(), plan.names)
        share = OUTBOX_BYTES // max(1, len(plan.names))
        block = Block(plan, addresses, share, self.recorder, self.now, self._note)
        await block.prepare()
        self.blocks.append(block)
        self.tasks.append(asyncio.create_task(block.run(), name="block"))

    def _note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    async def disturb(self, order: Disturb) -> None:
        """Drop connections; those that are cut come back after a while."""
        away = [session for block in self.blocks for session in block.disturb(order.kind, order.share)]
        if away:
            await asyncio.sleep(order.hold_s)
            for session in away:
                session.cut_off(cut=False)

    async def stop(self) -> None:
        """End sending, and give the broker time to confirm what it got."""
        for block in self.blocks:
            block.quiet = True
        await settle(lambda: sum(block.waiting for block in self.blocks), lambda _: None, limit_s=SETTLE_S)
        self.report()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def report(self) -> None:
        """Answer with what was sent and confirmed since the last time, and with the state of this process."""
        sent, confirmed = self.recorder.take()
        self.made += int(sent["samples"].sum())
        late_ms = float((sent["sampled"] - sent["due"]).max() or 0.0) if sent.height else 0.0  # type: ignore[arg-type]
        if sent.height:
            self.answer(SENT, packed(sent))
        if confirmed.height:
            self.answer(CONFIRMED, packed(confirmed))
        injected = [each for block in self.blocks for each in block.injected]
        news, self._announced = injected[self._announced :], len(injected)
        notes, self.notes = tuple(self.notes), []
        outboxes = [session.outbox for block in self.blocks for session in block.sessions]
        progress = Progress(
            connected=sum(session.alive for block in self.blocks for session in block.sessions),
            sessions=len(outboxes),
            offered=sum(block.offered for block in self.blocks),
            made=self.made,
            waiting=sum(block.waiting for block in self.blocks),
            dropped=sum(outbox.dropped + outbox.refused for outbox in outboxes),
            late_ms=late_ms,
            cpu_s=time.process_time(),
            joined=sum(block.joined.is_set() for block in self.blocks),
            injected=tuple(news),
            clocks=tuple(_clock(block) for block in self.blocks if block.begins_ms),
            notes=notes,
        )
        self.answer(PROGRESS, msgspec.json.encode(progress))


def _clock(block: Block) -> BlockClock:
    plan = block.plan
    return BlockClock(
        first=plan.first,
        pumps=plan.pumps,
        gateways=len(plan.names),
        per_gateway=plan.per_gateway,
        begins_ms=block.begins_ms,
        start_ms=block.start_ms,
        interval_s=plan.interval_s,
        speed=plan.speed,
    )


async def run(source: asyncio.StreamReader, answer: Callable[[bytes, bytes], None]) -> None:
    """Follow the orders until `Stop`, or until their source ends."""
    generator = Generator(msgspec.json.decode(await source.readline(), type=Login), answer)
    reporting = asyncio.create_task(_report_on(generator), name="report")
    disturbing: set[asyncio.Task[None]] = set()
    try:
        while line := await source.readline():
            match ORDERS.decode(line):
                case BlockPlan() as plan:
                    await generator.join(plan)
                case Disturb() as order:
                    task = asyncio.create_task(generator.disturb(order))
                    disturbing.add(task)
                    task.add_done_callback(disturbing.discard)
                case Stop():
                    break
            _raise_failures([reporting, *generator.tasks])
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, *disturbing, return_exceptions=True)
        await generator.stop()


def _raise_failures(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()


async def _report_on(generator: Generator) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        generator.report()
        _raise_failures(generator.tasks)


def answers(target: asyncio.WriteTransport) -> Callable[[bytes, bytes], None]:
    """Return what writes answers without waiting for their reader: a busy runner must not make samples late.

    It raises `RuntimeError` when the runner has left more than `MAX_UNREAD_BYTES` unread.
    """

    def answer(kind: bytes, payload: bytes) -> None:
        unread = target.get_write_buffer_size()
        if unread > MAX_UNREAD_BYTES:
            raise RuntimeError(f"the runner has left {unread:,} bytes of answers unread; {MAX_UNREAD_BYTES:,} may wait")
        target.write(HEADER.pack(kind, len(payload)) + payload)

    return answer


def main() -> None:
    """Run a generator on standard input and output."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        source = asyncio.StreamReader(limit=8 * 1024 * 1024)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(source), sys.stdin)
        target, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
        try:
            await run(source, answers(target))
        finally:
            target.close()
            await settle(target.get_write_buffer_size, lambda _: None, limit_s=SETTLE_S)

    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(play())


if __name__ == "__main__":
    main()
