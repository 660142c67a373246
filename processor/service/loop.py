"""This file runs the processor: a connection to the broker, and the loop that takes turns, keeps, shows and tells."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.signals import empty_samples
from broker.contract.topics import ALL, COMMAND, PART, RESEND, alarm_topic, health_topic
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.mqtt.reconnection import keep_open
from broker.store import snapshot_files
from broker.store.history import DEFAULT_MAX_BYTES
from broker.store.journal import JournalError
from broker.store.snapshot import Health
from processor.intake.message_queue import Intake
from processor.pipeline import Pipeline
from processor.service.checkpoint import CheckpointError
from processor.service.commit import Keeper
from processor.service.health import HealthMonitor
from processor.service.metering import Meter
from processor.service.store import Store

log = logging.getLogger("processor")

CLIENT_ID: Final = "pumpwatch-processor"
FLUSH_S: Final = 1.0
CHECKPOINT_SHARE: Final = 0.1
"""At most this share of the time goes into writing checkpoints."""
BACK_S: Final = 3.0
"""So long after a connection began the broker may still be sending what was missed, and silence says nothing."""
HEALTH_S: Final = 5.0
REFUSALS_S: Final = 60.0
"""So often the journal is told of refused messages, if there were any."""
SNAPSHOT_SHARE: Final = 0.25
"""At most this share of the time goes into writing snapshots, however large the fleet."""


class ProcessorError(Exception):
    """The processor cannot run; the text says why and what to do."""


@dataclass(frozen=True)
class Settings:
    """How the processor runs: `tick_s` wall seconds or `batch_bytes` of payload make a batch, whichever comes first.

    The broker is asked to have no more than `receive_maximum` messages with us unacknowledged (Mosquitto 2.0 may send
    more when it has much to catch up on), and `waiting_bytes` at most wait to be read: they bound the memory, and
    what is done twice after a crash. `max_rows` samples at most wait to be written.
    """

    broker: str
    data: Path
    tick_s: float = 0.25
    batch_bytes: int = 8 * 1024 * 1024
    waiting_bytes: int = 256 * 1024 * 1024
    max_rows: int = 200_000
    receive_maximum: int = 10_000
    history_bytes: int = DEFAULT_MAX_BYTES
    history_days: int = 0


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run until `stop`; calls `ready` with the broker's address once connected and subscribed."""
    with _alone(settings.data):
        try:
            runner = _Runner(settings)
        except JournalError as error:
            raise ProcessorError(str(error)) from error
        await runner.run(stop, ready)


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data directory; a second processor on it is refused."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "processor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProcessorError(
                f"another processor works in {data}; stop it, or give this one a directory of its own with --data"
            ) from None
        yield


def wall_ms() -> int:
    """Return the wall clock in ms."""
    return time.time_ns() // 1_000_000


class _Runner:
    """The moving parts of one run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        address = parse_url(settings.broker)
        self.pipeline = Pipeline(settings.data)
        self.store = Store(settings.data, self.pipeline.quarantine, settings.history_bytes, settings.history_days)
        self.intake = Intake(2 * settings.receive_maximum, settings.waiting_bytes, settings.batch_bytes)
        self.meter = Meter(started=wall_ms(), broker=address.url)
        self.met = math.inf
        self.refusals_noted = 0
        self.checkup = HealthMonitor(
            settings.data,
            self.meter,
            self.pipeline,
            self.store,
            self.intake,
            receive_maximum=settings.receive_maximum,
            max_rows=settings.max_rows,
        )
        self._note("started", "processor", f"on {settings.data}")
        if self.store.history.unreadable:
            count, aside = len(self.store.history.unreadable), settings.data / "history.unreadable-1"
            self._note("started", "history", f"{count} files of the history were cut off; they were moved to {aside}")
        if self.store.journal_moved is not None:
            text = f"the journal could not be read; it was moved to {self.store.journal_moved}, and a new one begun"
            self._note("started", "journal", text)
        try:
            self.pipeline.restore()
        except CheckpointError as error:
            log.warning("%s", error)
            self._note("started", "checkpoint", str(error))
        self.checkup.look_for_unreadable()
        self.link = Link(
            address,
            CLIENT_ID,
            on_message=self.intake.receive,
            persistent=True,
            manual=True,
            receive_maximum=settings.receive_maximum,
        )
        self.keeper = Keeper(
            settings.data, self.pipeline, self.store, self.intake, self.meter, self.link, wall_ms=wall_ms
        )
        self.keeper.restored()

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        connected = asyncio.Event()

        async def session(link: Link) -> None:
            link.subscribe(ALL)
            link.subscribe(COMMAND)
            link.subscribe(PART)
            if not link.resumed:
                link.publish(RESEND, b"{}")
            self.meter.sessions += 1
            self.met = time.monotonic()
            self.keeper.confirm_anew()
            self._note("connected", "broker", link.address.url)
            connected.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._note("disconnected", "broker", link.address.url)
                self.intake.end_session()

        keeping = asyncio.create_task(
            keep_open(self.link, session, report=log.warning, chance=random.Random()), name="link"
        )
        stopping = asyncio.create_task(stop.wait(), name="stop")
        enough = asyncio.Event()
        working = asyncio.create_task(self._work(enough), name="work")
        merging = asyncio.create_task(self.keeper.merge_on(FLUSH_S), name="merge")
        greeting = asyncio.create_task(connected.wait(), name="greet")
        try:
            await asyncio.wait({greeting, keeping, stopping, working}, return_when=asyncio.FIRST_COMPLETED)
            if connected.is_set():
                log.info("connected to %s with %s", self.link.address.url, self.link.address.protocol_name)
                ready(self.link.address.url)
            done, _ = await asyncio.wait({keeping, stopping, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            # Not cut off: what a turn found must reach the journal before the checkpoint that has it.
            enough.set()
            await asyncio.gather(working, return_exceptions=True)
            await _end(greeting)
            await self.keeper.acknowledge()
            await _end(keeping, stopping, merging)
            self._note_refusals()
            self._note("stopped", "processor", "on purpose")
            await self.keeper.save()
            await self._show()
            self.store.close()
        # Where that last turn failed it is not hidden.
        working.result()

    def _note(self, kind: str, part: str, text: str) -> None:
        """Let the journal know what became of a part."""
        self.pipeline.clerk.part(kind, part, text, wall_ms())
        self.store.put(empty_samples(), self.pipeline.clerk.take())

    def _note_refusals(self) -> None:
        """Let the journal know how many messages were refused since the last time, and why the last of them."""
        quarantine = self.pipeline.quarantine
        if quarantine.count > self.refusals_noted:
            last = quarantine.latest[-1]
            text = f"{quarantine.count - self.refusals_noted:,} messages; the last on {last.topic}: {last.reason}"
            self._note("refused", "messages", text)
            self.refusals_noted = quarantine.count

    async def _work(self, enough: asyncio.Event) -> None:
        """Take in what comes, turn by turn, until it is `enough`."""
        saved = kept = told = shown = 0.0
        noted = time.monotonic()
        show_pause_s, keep_pause_s = 0.0, FLUSH_S
        while not enough.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.intake.arrived.wait(), self.settings.tick_s)
            self.intake.arrived.clear()
            await self._turn()
            clock = time.monotonic()
            if clock - saved >= FLUSH_S or self.store.rows >= self.settings.max_rows:
                await self.keeper.save()
                saved = clock
            keep_pause_s = FLUSH_S if self.keeper.outcomes else keep_pause_s
            if clock - kept >= keep_pause_s or 2 * self.intake.unacknowledged >= self.settings.receive_maximum:
                keep_pause_s = max(FLUSH_S, await self.keeper.acknowledge() / CHECKPOINT_SHARE)
                kept = clock
            if self.intake.must_fetch:
                await self.keeper.acknowledge()
                await self.link.close()
            if clock - shown >= show_pause_s:
                shown, show_pause_s = clock, await self._show() / SNAPSHOT_SHARE
            if clock - noted >= REFUSALS_S:
                self._note_refusals()
                noted = clock
            if clock - told >= HEALTH_S:
                self.keeper.confirm()
                self._publish(health_topic("processor"), self._health(wall_ms()), retain=True)
                told = clock

    async def _turn(self) -> None:
        clock = time.monotonic()
        if clock_set := self.checkup.look_at_the_clock(wall_ms(), clock):
            self._note("set", "clock", clock_set)
        came = self.intake.take()
        messages = [message for _, message in came]
        listening = self.link.alive and clock - self.met >= BACK_S
        read = self.checkup.readings(clock)
        samples, entries = await asyncio.to_thread(
            self.pipeline.take, messages, wall_ms(), listening=listening, readings=read
        )
        self.meter.count(len(messages), samples)
        self.intake.taken(came)
        self.store.put(samples, entries)
        self.store.put(samples.clear(), self.pipeline.clerk.take())
        for event in self.pipeline.announced:
            self._publish(alarm_topic(event.priority), event)
        self.pipeline.announced.clear()
        self.keeper.outcomes += self.pipeline.outcomes
        self.pipeline.outcomes.clear()

    def _publish(self, topic: str, said: object, *, retain: bool = False) -> None:
        if self.link.alive:
            self.link.publish(topic, msgspec.json.encode(said), retain=retain)

    async def _show(self) -> float:
        """Write the snapshot; return the seconds it took."""
        began, now, directory = time.monotonic(), wall_ms(), self.settings.data / "snapshot"
        health = self._health(now)
        try:
            await asyncio.to_thread(lambda: snapshot_files.write(directory, self.pipeline.snapshot(health, now)))
        except OSError as error:
            self.meter.trouble("snapshot", f"cannot write to {directory}: {error}; screens are not updated")
        else:
            self.meter.recovered("snapshot")
            self.meter.shown(wall_ms())
        return time.monotonic() - began

    def _health(self, now: int) -> Health:
        return self.checkup.health(now, protocol=self.link.address.protocol_name, connected=self.link.alive)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
