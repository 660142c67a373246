"""Processor service: the connection to the broker, and the loop that processes, commits, publishes and shows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final

from broker.contract.signed import Verifier
from broker.contract.topics import ALL, COMMAND, PART
from broker.metrics.readings import Vitals
from broker.mqtt.address import TakenOverError, parse_url
from broker.mqtt.link import Link, Message
from broker.store import action_key
from broker.store.journal import JournalError
from broker.store.snapshot import Health
from processor.intake.message_queue import MessageQueue
from processor.pipeline import Pipeline
from processor.rules.access import SECOND_PROCESSOR
from processor.rules.standstill import STANDSTILL
from processor.service import publication, recovery, tracing
from processor.service.anchor_webhook import Webhook, address_of
from processor.service.anchoring import Anchoring
from processor.service.announcements import Announcements
from processor.service.batches import Batches
from processor.service.checkpoint import CheckpointError
from processor.service.cohort_exchange import CohortExchange
from processor.service.commit import Committer
from processor.service.compaction import Compaction
from processor.service.connection import Connection
from processor.service.fence import Fence, FencedError
from processor.service.fleet_reading import FleetReading
from processor.service.guard import GuardedPipeline
from processor.service.health import HealthMonitor
from processor.service.in_hand import InHand
from processor.service.installation import client_id, exclusive
from processor.service.judging import Judging
from processor.service.message_log import MessageLog, Taken
from processor.service.metering import Meter
from processor.service.passing_troubles import PassingTroubles
from processor.service.presence import Guard
from processor.service.redelivery import Redelivery
from processor.service.settings import ProcessorError, SecondProcessorError, Settings
from processor.service.showing import Showing
from processor.service.snapshots import SnapshotPublisher
from processor.service.standstill import Standstill
from processor.service.store import Store
from processor.service.system_journal import SystemJournal
from processor.service.vitals import ProcessorVitals

log = logging.getLogger("processor")

CATCH_UP_S: Final = 3.0
"""Time after connecting in which the broker may still deliver what was missed, and silence means nothing."""
PUBLISH_INTERVAL_S: Final = 5.0
"""How often confirmations and the processor's health are published."""
REJECTIONS_INTERVAL_S: Final = 60.0
"""How often rejected messages are recorded in the journal, if there were any."""
BEHIND_S: Final = 2.0
"""Silence means nothing while more than a batch of messages has been waiting for this long."""
WAITED_S: Final = 4.0
"""Nor when the first message of a batch has waited for this long: on a machine that is starved, others are late too."""
WATCH_INTERVAL_MS: Final = 1000
"""How often silent pumps, gateways, fleet and cohorts are judged."""
MAX_THIN_WAVES: Final = 25
"""Samples of a pump's backlog that are judged at once; they take about a tenth of a second."""


async def run(
    settings: Settings, stop: asyncio.Event, ready: Callable[[str], None], vitals: Vitals | None = None
) -> None:
    """Run until `stop`; call `ready` with the broker's address once connected and subscribed.

    `vitals` gets what there is to watch.
    """
    with exclusive(settings.data):
        try:
            service = _Service(settings, vitals or Vitals("processor"))
        except (JournalError, action_key.ActionKeyError) as error:
            raise ProcessorError(str(error)) from error
        await service.run(stop, ready)


def wall_ms() -> int:
    """Return the wall clock in ms."""
    return time.time_ns() // 1_000_000


class _Service:
    """The parts of one run."""

    def __init__(self, settings: Settings, vitals: Vitals) -> None:
        self.settings = settings
        address = parse_url(settings.broker)
        # Before the journal exists: an existing one means an installation of an earlier version.
        own_id = client_id(settings.data)
        part = settings.part
        keys = settings.data if part is None else part.keys
        action_key.ensure(keys)
        self.keys = action_key.KeyFile(keys / action_key.PUBLIC)
        self.guard = Guard(address, own_id, wall_ms, self._meet) if part is None else Fence(part.name, part.still_mine)
        self.standstill = Standstill(self._stood_still)
        self.store = Store(settings.data, settings.history_bytes, settings.history_days, publication.waiting(settings))
        self.log = MessageLog(settings.data)
        self.journal = SystemJournal(self.store, wall_ms)
        self.journal.record_start()
        self.pipeline = self._restored()
        self.pipeline.backlog.max_thin_waves = MAX_THIN_WAVES
        self.pipeline.watching.interval_ms = WATCH_INTERVAL_MS
        self.pipeline.limit_rates(settings.rates)
        self.queue = MessageQueue(2 * settings.receive_maximum, settings.waiting_bytes, settings.batch_bytes)
        self.in_hand = InHand(settings.data)
        self.batches = Batches(self.queue, self.pipeline.inbox.decode, self.in_hand)
        self.meter = Meter(started=wall_ms(), broker=address.url)
        self.passing = PassingTroubles(self.meter)
        webhook = Webhook(address_of(settings.anchor_url), own_id, self.meter, wall_ms) if settings.anchor_url else None
        self.anchoring = Anchoring(self.store, self.meter, webhook)
        snapshots = SnapshotPublisher(settings.data / "snapshot", self.pipeline)
        self.showing = Showing(snapshots, self.meter, self._health, wall_ms)
        self.current_at = -math.inf
        self.monitor = HealthMonitor(
            settings.data,
            self.meter,
            self.pipeline,
            self.store,
            self.queue,
            self.log,
            receive_maximum=settings.receive_maximum,
            max_rows=settings.max_rows,
            cluster_log=settings.own_limits,
        )
        self.monitor.check_unreadable()
        self.link = Link(
            address,
            own_id,
            on_messages=self._receive,
            persistent=True,
            manual=True,
            receive_maximum=settings.receive_maximum,
        )
        self.announcements = Announcements(self.link, self.keys)
        self.committer = Committer(
            settings.data,
            self.pipeline,
            self.store,
            self.log,
            self.queue,
            self.meter,
            self.link,
            wall_ms=wall_ms,
            max_rows=settings.max_rows,
            receive_maximum=settings.receive_maximum,
        )
        self.connection = Connection(
            self.link,
            self.guard,
            self.queue,
            self.meter,
            self.committer,
            self.announcements,
            self.journal,
            (ALL, COMMAND, PART) if part is None else part.topics,
        )
        if part is not None:
            self.committer.still_mine = self.announcements.still_mine = part.still_mine
            self.committer.part, self.pipeline.shared = (part.number, part.parts), True
            self.pipeline.cohorts.exchange = CohortExchange(settings.data, part.keys, first=part.number == 0)
            self.pipeline.gateways.fleet = FleetReading(part.keys)
            self.announcements.name = f"processor-{part.number:02d}"
            self.announcements.speaks_for_fleet = part.number == 0
            self.batches.redelivery = Redelivery(
                lambda: self.connection.since, part.redelivery_s, self.connection.ask_to_send_again
            )
            self.batches.newest = self.pipeline.newest_samples
        self.judging = Judging(
            settings.data,
            GuardedPipeline(self.pipeline),
            self.in_hand,
            self.log,
            self.store,
            self.meter,
            self.committer,
            self.announcements,
            settings.max_rows,
        )
        self.tracing = tracing.followers_of(settings, lambda: time.time_ns() / 1e6, time.monotonic, self.link)
        if self.tracing:
            tracing.follow(self.tracing, self.pipeline, self.committer, self.showing)
        own = ProcessorVitals(self.judging, lambda: self.link.alive, wall_ms)
        self.vitals, vitals.read, vitals.problems = vitals, own.read, own.problems
        self.compaction = Compaction(settings.data, self.store.history, self.pipeline, self.meter, wall_ms)
        self.publication = publication.publication_of(
            settings, self.store, self.pipeline, meter=self.meter, journal=self.journal, wall_ms=wall_ms
        )

    def _restored(self) -> Pipeline:
        """Return the pipeline of the checkpoint, or a new one if there is none or it cannot be read."""
        try:
            return recovery.restore(self.settings.data, verifier=Verifier(self.keys))
        except CheckpointError as error:
            log.warning("%s", error)
            self.journal.record("started", "checkpoint", str(error))
            return Pipeline(verifier=Verifier(self.keys))

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        """Run until `stop`, then finish the current batch and store everything."""
        if not await self.judging.replay(stop):
            self.store.close()
            self.in_hand.close()
            return
        connected, reason, fenced = asyncio.Event(), "on purpose", False
        connection = asyncio.create_task(self.connection.keep(connected), name="connection")
        guarding = asyncio.create_task(self.guard.run(), name="presence")
        pulse = asyncio.create_task(self.standstill.run(), name="pulse")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        finish = asyncio.Event()
        work = asyncio.create_task(self._work(finish), name="work")
        background = [asyncio.create_task(each.run()) for each in (self.compaction, self.publication) if each]
        connecting = asyncio.create_task(connected.wait(), name="connecting")
        try:
            await asyncio.wait({connecting, connection, guarding, stopping, work}, return_when=asyncio.FIRST_COMPLETED)
            if connected.is_set():
                log.info("connected to %s with %s", self.link.address.url, self.link.address.protocol_name)
                ready(self.link.address.url)
            done, _ = await asyncio.wait({connection, guarding, stopping, work}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        except FencedError:
            fenced = True
            raise
        except (SecondProcessorError, TakenOverError) as error:
            reason = str(error)
            raise
        finally:
            # Not cancelled: the events of a batch must reach the journal before the checkpoint that contains it.
            finish.set()
            if fenced:
                await _end(work, connection)
            await asyncio.gather(work, return_exceptions=True)
            await _end(connecting, *background, pulse)
            if not fenced:
                await self.committer.finish()
                if self.publication is not None:
                    await self.publication.advance()
            await _end(connection, guarding, stopping)
            if not fenced:
                self.journal.record_rejections(self.pipeline.quarantine)
                self.journal.record("stopped", "processor", reason)
                await self.committer.save()
                await self.anchoring.advance(time.monotonic(), last=True)
                await self.showing.advance(time.monotonic(), last=True)
            self.store.close()
            self.in_hand.close()
            if self.tracing:
                await asyncio.to_thread(self.tracing.close)
        # Raise the error of the final batch, if it failed.
        work.result()

    def _meet(self, text: str) -> None:
        """Record that another processor came to this broker, and show it for a while."""
        self.passing.show(SECOND_PROCESSOR, text, time.monotonic())
        self.journal.record("refused", "processor", text)

    def _stood_still(self, gap_s: float) -> None:
        """Record a standstill of this process, and show it for a while."""
        text = f"the processor was not running for {gap_s:,.0f} s"
        self.passing.show(STANDSTILL, text, time.monotonic())
        self.journal.record("stopped", "processor", text)

    def _receive(self, messages: list[Message]) -> None:
        self.queue.receive(messages)
        if self.tracing:
            self.tracing.received(len(messages))
        if self.queue.full:
            self.link.pause_reading()

    async def _work(self, finish: asyncio.Event) -> None:
        """Process batch after batch until `finish`."""
        published, recorded = 0.0, time.monotonic()
        while not finish.is_set():
            if self.pipeline.backlog.waiting.is_empty():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.queue.arrived.wait(), self.settings.tick_s)
            self.queue.arrived.clear()
            await self._process(finish)
            if finish.is_set():
                # What is due now is done once, by `Committer.finish`.
                break
            self.vitals.beat = clock = time.monotonic()
            self.committer.advance(clock)
            await self.anchoring.advance(clock)
            await self.showing.advance(clock)
            if clock - recorded >= REJECTIONS_INTERVAL_S:
                self.journal.record_rejections(self.pipeline.quarantine)
                recorded = clock
            if clock - published >= PUBLISH_INTERVAL_S:
                self.committer.confirm()
                self.connection.ask_for_births(self.pipeline.inbox.refused_births, wall_ms())
                self.announcements.publish_state(self._health(wall_ms()))
                published = clock
        await self.batches.end()

    async def _process(self, finish: asyncio.Event) -> None:
        """Process the messages that wait, as one batch; after `finish` nothing more of a backlog.

        Nobody was promised what is left: the broker keeps it, and the gateways do.
        """
        clock = time.monotonic()
        if step := self.monitor.check_clock(wall_ms(), clock):
            self.journal.record("set", "clock", step)
        self.monitor.check_certificates(wall_ms(), clock)
        self.monitor.check_notifications(wall_ms(), clock)
        queued, decoded = await self.batches.next()
        if finish.is_set() and decoded is not None:
            self.in_hand.release(queued.messages)
            return
        if not self.queue.full:
            self.link.resume_reading()
        if self.queue.waiting_bytes < self.settings.batch_bytes:
            self.current_at = clock
        taken = Taken(
            queued.messages,
            wall_ms(),
            listening=self.link.alive and clock - self.connection.since >= CATCH_UP_S,
            readings=self.monitor.readings(clock),
            step_ms=self.monitor.step_ms,
            current=self.standstill.over(clock)
            and clock - self.current_at < BEHIND_S
            and time.monotonic() - queued.since < WAITED_S,
        )
        errors = self.judging.guarded.errors
        results = await self.judging.take(taken, decoded, lambda: self.queue.taken(queued))
        if self.judging.guarded.errors > errors:
            self.passing.show("processing", self.judging.guarded.latest, clock)
        self.passing.advance(clock)
        if self.tracing and queued.messages:
            self.tracing.judged(queued.messages, results)
        self.announcements.announce()

    def _health(self, now: int) -> Health:
        return self.monitor.health(now, protocol=self.link.address.protocol_name, connected=self.link.alive)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
