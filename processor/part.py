"""This file runs the processor: messages in, history and journal made durable, then acknowledged; snapshots out."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from broker import snapshot
from broker.history import DEFAULT_MAX_BYTES
from broker.journal import JournalError
from broker.link import Link, keep_open, parse_url
from broker.messages import Outcome
from broker.signals import empty_samples
from broker.snapshot import Bound, Health
from broker.topics import ALL, COMMAND, OUTCOME, PART, RESEND, alarm_topic, health_topic
from processor import bounds, readings, sequence
from processor.checkpoint import CheckpointError
from processor.intake import Intake
from processor.meter import Meter
from processor.pipeline import Pipeline
from processor.receipts import Receipts
from processor.store import Store

log = logging.getLogger("processor")

CLIENT_ID: Final = "pumpwatch-processor"
FLUSH_S: Final = 1.0
CHECKPOINT_SHARE: Final = 0.1
"""At most this share of the time goes into writing checkpoints."""
CLOCK_SAID_S: Final = 300.0
"""So long people are told that the clock was set."""
BACK_S: Final = 3.0
"""So long after a connection began the broker may still be sending what was missed, and silence says nothing."""
HEALTH_S: Final = 5.0
REFUSALS_S: Final = 60.0
"""So often the journal is told of refused messages, if there were any."""
LOOK_S: Final = 1.0
"""So often the processor looks at itself."""
LAG_S: Final = 10.0
"""Samples may take so long to the screens; a modelling choice, ten times what is usual under full load."""
MOST_NAMED: Final = 5
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
        self.receipts = Receipts()
        self.outcomes: list[Outcome] = []
        self.refusals_noted = 0
        self.clock_set = 0.0
        self.looked = -math.inf
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
        self._look_for_unreadable()
        self.link = Link(
            address,
            CLIENT_ID,
            on_message=self.intake.receive,
            persistent=True,
            manual=True,
            receive_maximum=settings.receive_maximum,
        )

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
            self.receipts.forget_told()
            self._note("connected", "broker", link.address.url)
            connected.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._note("disconnected", "broker", link.address.url)
                self.intake.end_session()

        keeping = asyncio.create_task(
            keep_open(self.link, session, say=log.warning, chance=random.Random()), name="link"
        )
        stopping = asyncio.create_task(stop.wait(), name="stop")
        working = asyncio.create_task(self._work(), name="work")
        merging = asyncio.create_task(self._merge_on(), name="merge")
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
            await _end(working, greeting)
            await self._acknowledge()
            await _end(keeping, stopping, merging)
            self._note_refusals()
            self._note("stopped", "processor", "on purpose")
            await self._save()
            self.store.close()

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

    async def _work(self) -> None:
        saved = kept = told = shown = 0.0
        noted = time.monotonic()
        show_pause_s, keep_pause_s = 0.0, FLUSH_S
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.intake.arrived.wait(), self.settings.tick_s)
            self.intake.arrived.clear()
            await self._turn()
            clock = time.monotonic()
            if clock - saved >= FLUSH_S or self.store.rows >= self.settings.max_rows:
                await self._save()
                saved = clock
            keep_pause_s = FLUSH_S if self.outcomes else keep_pause_s
            if clock - kept >= keep_pause_s or 2 * self.intake.unacknowledged >= self.settings.receive_maximum:
                keep_pause_s = max(FLUSH_S, await self._acknowledge() / CHECKPOINT_SHARE)
                kept = clock
            if self.intake.must_fetch:
                await self._acknowledge()
                await self.link.close()
            if clock - shown >= show_pause_s:
                shown, show_pause_s = clock, await self._show() / SNAPSHOT_SHARE
            if clock - noted >= REFUSALS_S:
                self._note_refusals()
                noted = clock
            if clock - told >= HEALTH_S:
                self._confirm()
                self._publish(health_topic("processor"), self.health(wall_ms()), retain=True)
                told = clock

    def _look_at_the_clock(self) -> None:
        """Where the wall clock was set, silence counts on from where it was, and that is said for a while."""
        clock = time.monotonic()
        step_ms = self.meter.clock.stepped(wall_ms(), clock)
        if step_ms:
            self.pipeline.clock_set(step_ms)
            text = (
                f"the clock of this machine was set {'on' if step_ms > 0 else 'back'} by {abs(step_ms) / 1000:,.0f} s"
            )
            self.meter.trouble("clock", text)
            self._note("set", "clock", text)
            self.clock_set = clock
        elif clock - self.clock_set >= CLOCK_SAID_S:
            self.meter.recovered("clock")

    async def _turn(self) -> None:
        self._look_at_the_clock()
        came = self.intake.take()
        messages = [message for _, message in came]
        listening = self.link.alive and time.monotonic() - self.met >= BACK_S
        read = self._readings()
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
        self.outcomes += self.pipeline.outcomes
        self.pipeline.outcomes.clear()

    def _answer(self, outcomes: list[Outcome]) -> None:
        """Tell people what became of what they did with alarms: not before that is durable."""
        for outcome in outcomes:
            self._publish(OUTCOME, outcome)
        del self.outcomes[: len(outcomes)]

    def _confirm(self) -> None:
        """Tell gateways what is durable; while there is no connection that waits."""
        for topic, payload in self.receipts.news() if self.link.alive else ():
            self.link.publish(topic, payload, retain=True)

    def _publish(self, topic: str, said: object, *, retain: bool = False) -> None:
        if self.link.alive:
            self.link.publish(topic, msgspec.json.encode(said), retain=retain)

    async def _save(self) -> bool:
        """Make samples, entries and refusals durable; on failure keep them all and say so."""
        try:
            await asyncio.to_thread(self.store.write, wall_ms())
        except (OSError, sqlite3.Error) as error:
            self.meter.trouble("storage", f"cannot write to {self.settings.data}: {error}; nothing is acknowledged")
            return False
        self.meter.recovered("storage")
        return True

    async def _acknowledge(self) -> float:
        """Save the checkpoint, then tell the broker that all in it is safe; return the seconds it took."""
        began = time.monotonic()
        session, messages = self.intake.durable()
        standing = self.receipts.standing(self.pipeline.registry.gateways)
        outcomes = list(self.outcomes)
        if (messages or outcomes) and await self._save():
            try:
                await asyncio.to_thread(lambda: self.pipeline.save(wall_ms(), self.store.head))
            except OSError as error:
                text = f"cannot save to {self.settings.data}: {error}; nothing is acknowledged"
                self.meter.trouble("checkpoint", text)
            else:
                self.meter.recovered("checkpoint")
                self.receipts.durable(standing)
                self._answer(outcomes)
                if self.intake.acknowledged(session, messages) and self.link.alive:
                    self.link.acknowledge(messages)
        return time.monotonic() - began

    async def _merge_on(self) -> None:
        """Keep the number of small history files down, beside the work."""
        while True:
            try:
                more = await asyncio.to_thread(self.store.history.merge, wall_ms())
            except (OSError, pl.exceptions.PolarsError) as error:
                self.meter.trouble("merging", f"cannot merge the history in {self.settings.data}: {error}")
                more = False
            else:
                self.meter.recovered("merging")
            await asyncio.sleep(0 if more else FLUSH_S)

    async def _show(self) -> float:
        """Write the snapshot; return the seconds it took."""
        began, now, directory = time.monotonic(), wall_ms(), self.settings.data / "snapshot"
        health = self.health(now)
        try:
            await asyncio.to_thread(lambda: snapshot.write(directory, self.pipeline.snapshot(health, now)))
        except OSError as error:
            self.meter.trouble("snapshot", f"cannot write to {directory}: {error}; screens are not updated")
        else:
            self.meter.recovered("snapshot")
            self.meter.shown(wall_ms())
        return time.monotonic() - began

    def health(self, now: int) -> Health:
        """Return how the processor is at `now` (wall ms)."""
        protocol = self.link.address.protocol_name
        return self.meter.health(now, self.pipeline, self._bounds(), protocol=protocol, connected=self.link.alive)

    def _bounds(self) -> list[Bound]:
        settings = self.settings
        return bounds.every(
            self.intake,
            self.store,
            self.pipeline,
            receive_maximum=settings.receive_maximum,
            max_rows=settings.max_rows,
        )

    def _readings(self) -> pl.DataFrame | None:
        """Return what the system's rules judge, once in `LOOK_S`; None in between."""
        clock = time.monotonic()
        if clock - self.looked < LOOK_S:
            return None
        self.looked = clock
        self._look_for_unreadable()
        registry, state = self.pipeline.registry, self.pipeline.state
        return readings.frame(
            readings.troubles(self.meter.troubles),
            readings.bounds(self._bounds()),
            readings.lag(self.meter.lag_s, LAG_S),
            readings.counts(
                sequence.totals(state),
                dropped=registry.dropped,
                refused=self.pipeline.quarantine.count,
                droppers=registry.droppers(),
            ),
        )

    def _look_for_unreadable(self) -> None:
        """Say what was moved aside because it could not be read, now or at an earlier start, until it is taken away."""
        aside = sorted(path.name for path in self.settings.data.glob("*.unreadable-*"))
        if aside:
            text = f"could not be read and was moved aside in {self.settings.data}: {', '.join(aside[:MOST_NAMED])}"
            self.meter.trouble("stored records", text)
        else:
            self.meter.recovered("stored records")


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
