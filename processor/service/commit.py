"""Commit: make durable what was taken in, beside judging, and only then acknowledge and confirm it.

Messages are acknowledged once they are in the message log; so a checkpoint, which contains the whole state, may take
its time. Samples and journal entries are written before the checkpoint that contains them, and the log is shortened
after it: at every instant, checkpoint and log together lead to everything that was acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from broker.contract.actions import Outcome
from broker.contract.messages import encode
from broker.contract.topics import OUTCOME
from broker.metrics.readings import Distribution
from broker.mqtt.link import Link
from processor.intake.confirmations import Confirmations, Progress
from processor.intake.message_queue import MessageQueue
from processor.pipeline import Pipeline
from processor.service import checkpoint, recovery
from processor.service.guard import ERRORS, describe
from processor.service.message_log import MessageLog, Taken
from processor.service.metering import Meter
from processor.service.store import Store

INTERVAL_S: Final = 1.0
"""How often messages are acknowledged and samples written, if there are not so many that it must be sooner."""
CHECKPOINT_INTERVAL_S: Final = 10.0
CHECKPOINT_SHARE: Final = 0.1
"""Share of the time that goes into writing checkpoints, at most."""
LOG_SHARE: Final = 0.25
"""A checkpoint is due when the message log is this full."""
MAX_UNLOGGED_BYTES: Final = 32 * 1024**2
"""Payload that waits to be logged before that is done at once, and with it acknowledged."""
MAX_UNCONFIRMED_BYTES: Final = 96 * 1024**2
"""Payload that is acknowledged before gateways are told at once: they hold it until then."""
FINISH_S: Final = 5.0
"""Time for writing samples, journal entries and a checkpoint at the end; the rest is left to the message log."""
MAX_IDLE_RECORDS: Final = 1_000
"""Records without messages that may wait to be logged: nobody was promised them."""

log = logging.getLogger("processor")

Work = Literal["acknowledge", "write", "checkpoint"]


@dataclass
class Committer:
    """Saves the state of a run into the data directory `data`; a failure is a trouble of the meter, and is retried.

    `outcomes` are published when the actions they answer are durable. `wall_ms` is the wall clock. At most `max_rows`
    samples and `receive_maximum` messages may wait. `on_durable` is called after what had been taken in when it was
    `marked` is on disk and acknowledged. `durations` counts how long each kind of work took. `still_mine` is asked
    after each sync: nothing is acknowledged, confirmed or answered once it says no.
    `part` is the number of this processor among those that answer an action, and how many these are.
    """

    data: Path
    pipeline: Pipeline
    store: Store
    log: MessageLog
    queue: MessageQueue
    meter: Meter
    link: Link
    wall_ms: Callable[[], int]
    max_rows: int
    receive_maximum: int
    outcomes: list[Outcome] = field(default_factory=list)
    marked: Callable[[], int] = lambda: 0
    on_durable: Callable[[int], None] = lambda _mark: None
    still_mine: Callable[[], bool] = lambda: True
    part: tuple[int, int] = (0, 1)
    durations: dict[Work, Distribution] = field(
        default_factory=lambda: {work: Distribution() for work in get_args(Work)}
    )
    _confirmations: Confirmations = field(default_factory=Confirmations)
    _running: dict[Work, asyncio.Task[bool]] = field(default_factory=dict)
    _due_at: dict[Work, float] = field(default_factory=dict)
    _failed: set[Work] = field(default_factory=set)
    _unlogged_bytes: int = 0
    _unconfirmed_bytes: int = 0
    _unlogged: int = 0
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failing: set[str] = field(default_factory=set)
    _finishing: threading.Event = field(default_factory=threading.Event)
    _write_until: float = math.inf

    def resume(self) -> None:
        """Confirm what the restored state contains: the last run may have ended before it could."""
        self._confirmations.durable(self._progress())

    def taken(self, taken: Taken) -> None:
        """Record what the pipeline has just taken in."""
        self.log.add(taken)
        self._unlogged += 1
        self._unlogged_bytes += sum(len(message.payload) for message in taken.messages)

    def advance(self, clock: float) -> None:
        """Start what is due at `clock` (monotonic, s); called between two batches, when nothing changes the state."""
        waiting = self.queue.unacknowledged
        many = 4 * waiting >= self.receive_maximum or self._unlogged_bytes >= MAX_UNLOGGED_BYTES
        promised = waiting or self._unlogged_bytes or self._unlogged >= MAX_IDLE_RECORDS
        if promised and self._is_due("acknowledge", clock, early=many):
            self._start("acknowledge", self._acknowledge(*self._taken_in()), clock)
        early = bool(self.outcomes) or 2 * self.store.rows >= self.max_rows
        if self._is_due("write", clock, early=early):
            self._start("write", self._write(list(self.outcomes)), clock)
        early = self.log.bytes >= LOG_SHARE * self.log.max_bytes
        if self.log.bytes and self._is_due("checkpoint", clock, early=early):
            self._start("checkpoint", self._checkpoint(self._cut()), clock)

    def _is_due(self, work: Work, clock: float, *, early: bool) -> bool:
        """Return whether it is time for some work; not before its turn (`early`) if it failed the last time."""
        if work in self._running:
            return False
        return clock >= self._due_at.get(work, -math.inf) or (early and work not in self._failed)

    def _start(self, work: Work, job: Coroutine[None, None, bool], clock: float) -> None:
        async def run() -> bool:
            began, succeeded = time.monotonic(), False
            try:
                succeeded = await job
            except ERRORS as error:
                self._fails(work, f"cannot save to {self.data}: {describe(error)}; nothing is acknowledged")
            else:
                self._works(work)
            finally:
                self.durations[work].add(time.monotonic() - began)
                (self._failed.discard if succeeded else self._failed.add)(work)
                if work == "checkpoint":
                    pause_s = max(CHECKPOINT_INTERVAL_S, (time.monotonic() - began) / CHECKPOINT_SHARE)
                    self._due_at[work] = clock + pause_s
                del self._running[work]
            return succeeded

        self._due_at[work] = clock + INTERVAL_S
        self._running[work] = asyncio.create_task(run(), name=work)

    async def save(self) -> bool:
        """Write samples, journal entries and rejections; return whether that worked. What was not written is kept."""
        async with self._writing:
            try:
                complete = await asyncio.to_thread(self.store.write, self.wall_ms(), lambda: self._write_until)
            except ERRORS as error:
                reason = error if isinstance(error, OSError | sqlite3.Error) else describe(error)
                self._fails("stored", f"cannot write to {self.data}: {reason}; nothing is acknowledged")
                return False
        self._works("stored")
        return complete

    def _fails(self, what: str, text: str) -> None:
        self._failing.add(what)
        self.meter.trouble("storage", text)

    def _works(self, what: str) -> None:
        self._failing.discard(what)
        if not self._failing:
            self.meter.recovered("storage")

    def _taken_in(self) -> tuple[int, list[int], Progress, int]:
        return *self.queue.durable(), self._progress(), self.marked()

    async def _acknowledge(self, session: int, mids: list[int], progress: Progress, mark: int) -> bool:
        """Write the message log, then acknowledge these messages to the broker and confirm them to their gateways.

        Nothing is acknowledged while samples cannot be written, or more of them wait than may: then the broker sends
        no more.
        """
        size, self._unlogged_bytes, self._unlogged = self._unlogged_bytes, 0, 0
        if not await self._sync() or self._failing or self.store.rows > self.max_rows:
            self._unlogged_bytes += size
            return False
        self._confirmations.durable(progress)
        if self.queue.acknowledged(session, mids) and self.link.alive:
            self.link.acknowledge(mids)
        self.on_durable(mark)
        self._unconfirmed_bytes += size
        if self._unconfirmed_bytes >= MAX_UNCONFIRMED_BYTES:
            self.confirm()
        return True

    async def _sync(self) -> bool:
        try:
            await asyncio.to_thread(self.log.sync)
        except ERRORS as error:
            reason = error if isinstance(error, OSError) else describe(error)
            self._fails("logged", f"cannot write the message log to {self.data}: {reason}; nothing is acknowledged")
            return False
        self._works("logged")
        return self.still_mine()

    async def _write(self, outcomes: list[Outcome]) -> bool:
        """Write samples and journal entries; then publish these outcomes, as the actions they answer are durable."""
        if not await self.save() or (outcomes and not await self._sync()):
            return False
        number, parts = self.part
        for outcome in outcomes:
            if self.link.alive:
                self.link.publish(OUTCOME, encode(msgspec.structs.replace(outcome, part=number, parts=parts)))
        del self.outcomes[: len(outcomes)]
        return True

    def _cut(self) -> checkpoint.Cut:
        return recovery.cut(self.pipeline, self.log.begin())

    async def _checkpoint(self, cut: checkpoint.Cut) -> bool:
        """Write a checkpoint, after the samples and journal entries of its time, and shorten the message log."""
        if not await self.save():
            return False
        try:
            await asyncio.to_thread(self._replace_checkpoint, cut)
        except checkpoint.AbandonedError:
            return False
        except ERRORS as error:
            reason = error if isinstance(error, OSError) else describe(error)
            text = f"cannot write the checkpoint to {self.data}: {reason}; the message log grows"
            self.meter.trouble("checkpoint", text)
            return False
        self.meter.recovered("checkpoint")
        return True

    async def save_checkpoint(self) -> bool:
        """Write a checkpoint now, when nothing changes the state; return whether that worked."""
        return await self._checkpoint(self._cut())

    def _replace_checkpoint(self, cut: checkpoint.Cut) -> None:
        checkpoint.save(self.data, cut, self.wall_ms(), self.store.head, self._late)
        self.log.forget(cut.log)

    def _late(self) -> bool:
        """Return whether a checkpoint that is being written is better abandoned."""
        return self._finishing.is_set() or time.monotonic() >= self._write_until

    async def catch_up(self) -> None:
        """Acknowledge everything that was taken in."""
        if running := self._running.get("acknowledge"):
            await running
        await self._acknowledge(*self._taken_in())

    async def finish(self) -> None:
        """Acknowledge and save everything, when nothing is taken in any more.

        A checkpoint that is being written is abandoned: the last one follows. If writing all this takes longer than
        `FINISH_S`, there is none: the next start takes the message log in again, as after a crash.
        """
        self._finishing.set()
        self._write_until = time.monotonic() + FINISH_S
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._finishing.clear()
        await self.catch_up()
        complete = await self._write(list(self.outcomes)) and await self.save_checkpoint()
        self._write_until = math.inf
        if not complete and not self._failing:
            log.warning("ended before everything was written; the next start takes the message log in again")
            self.store.leave_to_log()

    def _progress(self) -> Progress:
        return self._confirmations.progress(self.pipeline.registry.gateways.order)

    def confirm(self) -> None:
        """Confirm to gateways what is durable; without a connection, the confirmations stay due."""
        self._unconfirmed_bytes = 0
        if self.link.alive and self.still_mine():
            self.link.publish_retained(self._confirmations.due())

    def reconfirm(self) -> None:
        """Make the next `confirm` repeat all confirmations: the last may have been lost with the connection."""
        self._confirmations.republish()
