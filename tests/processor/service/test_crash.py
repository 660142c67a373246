"""Crash: whichever step the processor dies at, nothing that was acknowledged is lost, and nothing happens twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from broker.contract.actions import Acknowledge
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store import journal_query
from broker.store.history import History
from broker.store.segments import trend
from processor.engine.sequence import REDELIVERED
from processor.intake.message_queue import MessageQueue
from processor.pipeline import Pipeline
from processor.service import checkpoint, recovery
from processor.service.commit import Committer
from processor.service.guard import GuardedPipeline
from processor.service.message_log import MessageLog, Taken
from processor.service.metering import Meter
from processor.service.store import Store
from tests.unsigned import Unsigned

START_MS = 1_790_000_000_000
MINUTES_A_BATCH = 15
BATCHES = 4
STRIDE = 47
"""The processor dies at every so manieth of about 260 steps: odd, so that each kind of step is among them."""
SERIALS = ["C-1", "C-2"]
OF_REDELIVERY = ("stale", REDELIVERED, "stale_time", "stale_run")


class CrashError(BaseException):
    """The process is gone; nothing after this is executed."""


@dataclass
class Broker:
    """Keeps what is not acknowledged."""

    held: dict[int, Message] = field(default_factory=dict)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    alive: bool = True

    def send(self, topic: str, payload: bytes) -> None:
        number = max(self.held, default=0) + 1
        self.held[number] = Message(topic, payload, number, 1, retained=False)

    def acknowledge(self, mids: list[int]) -> None:
        for mid in mids:
            del self.held[mid]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.published.append((topic, payload))

    def publish_retained(self, messages: Iterable[tuple[str, bytes]]) -> None:
        self.published += messages


@dataclass
class Processor:
    """A processor of one data directory, without the loop and the network; `now` (ms) is its clock."""

    data: Path
    broker: Broker
    now: int

    def __post_init__(self) -> None:
        self.store = Store(self.data, 10**9)
        self.log = MessageLog(self.data)
        self.pipeline = recovery.restore(self.data, verifier=Unsigned())
        self.guarded = GuardedPipeline(self.pipeline)
        self.queue = MessageQueue(10_000, 10**8, 10**8)
        meter = Meter(started=self.now, broker="")
        self.committer = Committer(
            self.data,
            self.pipeline,
            self.store,
            self.log,
            self.queue,
            meter,
            self.broker,  # type: ignore[arg-type]
            wall_ms=lambda: self.now,
            max_rows=10_000,
            receive_maximum=10_000,
        )
        for taken in self.log.read(checkpoint.log_part(self.data)):
            for result in recovery.replay(self.guarded, taken):
                self._keep(result)
        self.committer.resume()
        self.queue.receive(list(self.broker.held.values()))

    def _keep(self, result) -> None:
        self.store.add(result)
        self.committer.outcomes += result.outcomes

    async def process(self) -> None:
        """Take in what has arrived, and let everything that is due come to its end."""
        queued = self.queue.take()
        taken = Taken(queued.messages, self.now, listening=True, readings=None)
        for result in self.guarded.take(taken.messages, taken.now, listening=True, readings=None):
            self._keep(result)
        self.queue.taken(queued)
        self.committer.taken(taken)
        self.committer.advance(self.now / 1000)
        for job in list(self.committer._running.values()):
            await job
        # Work that had to wait for the first record to be on disk.
        self.committer.advance(self.now / 1000)
        for job in list(self.committer._running.values()):
            await job

    def end(self) -> None:
        self.store.close()


def telemetry(batch: int) -> bytes:
    """Return the samples of a batch: the second pump stalls in the second batch."""
    rows = []
    for minute in range(batch * MINUTES_A_BATCH, (batch + 1) * MINUTES_A_BATCH):
        for serial in SERIALS:
            motor = 0 if serial == "C-2" and batch >= 1 else 5
            rows.append(
                f'{{"pump":"{serial}","time":{START_MS + minute * 60_000},"seq":{minute + 1},"boot":1,'
                f'"sent":{START_MS + batch},"commanded_ul_h":5,"motor_ul_h":{motor},"flow_ul_h":{motor}}}'
            )
    return "\n".join(rows).encode()


def story() -> Iterator[Callable[[Broker, Pipeline], None]]:
    """Yield what happens, step by step."""

    def birth(broker: Broker, _: Pipeline) -> None:
        made = Birth(gateway="gate", pumps=Pumps(serial=SERIALS), sent=START_MS, time=START_MS)
        broker.send("itb/00/gate/birth", encode(made))

    def acknowledge(broker: Broker, pipeline: Pipeline) -> None:
        alarms = pipeline.alarms["alarm"].to_list()
        broker.send(COMMAND, encode(Acknowledge(id="act", alarms=alarms, who="anna", at=START_MS)))

    yield birth
    for batch in range(BATCHES):
        yield lambda broker, _, batch=batch: broker.send("itb/00/gate/telemetry", telemetry(batch))  # type: ignore[misc]
    yield acknowledge


@contextlib.contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[list[str]]:
    """Let the process die at its `at`-th step that reaches the disk; yield the list of the steps."""
    steps: list[str] = []

    def watched(name: str, real):
        def step(*args, **kwargs):
            steps.append(name)
            if len(steps) == at:
                raise CrashError(name)
            return real(*args, **kwargs)

        return step

    with monkeypatch.context() as patch:
        for owner, name in ((os, "fsync"), (os, "fdatasync"), (Path, "replace"), (Path, "unlink")):
            patch.setattr(owner, name, watched(name, getattr(owner, name)))
        patch.setattr(Store, "_write_entries", watched("journal", Store._write_entries))
        yield steps


async def finished(processor: Processor) -> None:
    await processor.process()
    await processor.committer.finish()


async def until_done(processor: Processor, work: Callable[[Processor], Awaitable[None]]) -> Processor:
    """Let a processor do its work; if it dies, let its successor do it; return the one that did."""
    try:
        await work(processor)
    except CrashError:
        for job in processor.committer._running.values():
            job.cancel()
        processor.end()
        await asyncio.sleep(0)
        processor = Processor(processor.data, processor.broker, processor.now)
        await work(processor)
    return processor


async def play(data: Path, monkeypatch: pytest.MonkeyPatch, die_at: int) -> tuple[Processor, list[str]]:
    """Play the story; when the process dies, another one goes on."""
    broker, now = Broker(), itertools.count(START_MS, 20_000)
    processor = Processor(data, broker, next(now))
    with dying(monkeypatch, die_at) as steps:
        for happens in story():
            happens(broker, processor.pipeline)
            processor.queue.receive(list(broker.held.values())[-1:])
            processor.now = next(now)
            processor = await until_done(processor, lambda each: each.process())
        processor.now = next(now)
        processor = await until_done(processor, finished)
    processor.end()
    return processor, list(steps)


def outcome(processor: Processor) -> dict[str, object]:
    """Return what a run has led to, apart from counts of redelivered samples and wall clock times."""
    entries = journal_query.entries(processor.data, journal_query.Query(limit=1_000))
    kinds = entries.filter(pl.col("alarm").is_not_null()).select("alarm", "kind", "time", "who")
    return {
        "samples": [trend(processor.data, serial, 0).rows() for serial in SERIALS],
        "alarms": kinds.unique().sort("alarm", "kind").rows(),
        "happened twice": kinds.height - kinds.unique().height,
        "state": processor.pipeline.state.drop(OF_REDELIVERY).rows(),
        "acknowledged": processor.pipeline.alarms["acknowledged_by"].to_list(),
        "left with the broker": list(processor.broker.held),
    }


async def test_a_processor_that_dies_at_any_step_loses_nothing_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, steps = await play(tmp_path / "whole", monkeypatch, -1)
    expected = outcome(undisturbed)
    assert {"fsync", "fdatasync", "replace", "unlink", "journal"} <= set(steps)
    assert "anna" in expected["acknowledged"]
    assert not expected["left with the broker"]
    for die_at in range(7, len(steps) + 1, STRIDE):
        survivor, _ = await play(tmp_path / str(die_at), monkeypatch, die_at)
        assert outcome(survivor) == expected, f"died at step {die_at}: {steps[die_at - 1]}"


async def test_nothing_is_acknowledged_while_samples_cannot_be_written_and_everything_once_they_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    processor = Processor(tmp_path, broker, START_MS)

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def deliver(batch: int) -> None:
        broker.send("itb/00/gate/telemetry", telemetry(batch))
        processor.queue.receive([list(broker.held.values())[-1]])
        processor.now += 20_000
        await processor.process()

    await deliver(0)
    assert not broker.held
    with monkeypatch.context() as patch:
        patch.setattr(History, "append", disk_full)
        await deliver(1)
        await deliver(2)
        assert broker.held
        assert "No space left on device" in processor.committer.meter.troubles["storage"]
    # The first time the disk is found to work again, the second time everything is acknowledged.
    for _ in range(2):
        processor.now += 20_000
        await processor.process()
    assert not broker.held
    assert not processor.committer.meter.troubles
    processor.end()
    assert trend(tmp_path, "C-1", 0).height == 3 * MINUTES_A_BATCH


async def test_nothing_is_acknowledged_while_more_samples_wait_than_may(tmp_path: Path) -> None:
    broker = Broker()
    processor = Processor(tmp_path, broker, START_MS)
    processor.committer.max_rows = 10
    processor.committer._due_at["write"] = float("inf")
    processor.committer._failed.add("write")
    broker.send("itb/00/gate/telemetry", telemetry(0))
    processor.queue.receive(list(broker.held.values()))
    await processor.process()
    assert broker.held
    await processor.committer.save()
    processor.now += 20_000
    await processor.process()
    assert not broker.held
    processor.end()
