"""Worker of a load test: a generator on this or another machine, which takes its orders over the broker."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.topics import load_topic
from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message, Will
from broker.mqtt.reconnection import keep_open
from trials.load import generator
from trials.load.generator import CONFIRMED, PROGRESS, SENT, Login
from trials.load.plan import Progress
from trials.load.sent import unpacked
from trials.load.worker_messages import (
    MAX_ROWS,
    Answer,
    Begin,
    Call,
    Confirmed,
    Failed,
    Gone,
    Hello,
    Report,
    Sent,
    WorkerAnswer,
    WorkerMessageError,
    encode,
    read_order,
)

ABANDONED_S: Final = 15.0
"""A worker that hears nothing of its runner for so long stops sending."""
ORDER_BYTES: Final = 8 * 1024 * 1024
_PROGRESS: Final = msgspec.json.Decoder(Progress)


@dataclass
class Worker:
    """One worker, connected at `address` as `name`; its gateways log in with `login`. `now` is wall ms."""

    name: str
    address: Address
    login: Login
    now: Callable[[], float]
    say: Callable[[str], None]
    run: str = ""
    _link: Link = field(init=False)
    _orders: asyncio.StreamReader | None = None
    _running: asyncio.Task[None] | None = None
    _heard: float = 0.0

    async def serve(self, stop: asyncio.Event) -> None:
        """Take part in one run after the other until `stop`; raises `LinkError` if another worker has the name."""
        state = load_topic(self.name, "state")
        self._link = Link(
            self.address, f"pumpwatch-load-{self.name}", on_message=self._receive, will=Will(state, encode(Gone()))
        )
        serving = asyncio.create_task(
            keep_open(self._link, self._session, report=self.say, chance=random.Random()), name="serve"
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._link.alive:
                self._link.publish(state, encode(Gone()), retain=True)
                await self._end()
            if serving.done():
                serving.result()
        finally:
            for task in (serving, stopping):
                task.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)
            await self._end()

    async def _session(self, link: Link) -> None:
        """Announce the worker, and end a run whose runner is gone; a connection that was lost has ended its run."""
        await self._end()
        link.subscribe(load_topic(self.name, "orders"))
        self._announce()
        while True:
            await asyncio.sleep(1.0)
            if self._running is not None and self._running.done():
                await self._end()
                self._announce()
            if self._running is not None and time.monotonic() - self._heard > ABANDONED_S:
                self.say(f"heard nothing of the runner for {ABANDONED_S:g} s: sending ends")
                await self._end()
                self._announce()

    def _announce(self) -> None:
        hello = Hello(cores=os.cpu_count() or 1, run=self.run)
        self._link.publish(load_topic(self.name, "state"), encode(hello), retain=True)

    async def _end(self) -> None:
        """End the run, if there is one, and wait until its generator has finished."""
        if self._running is None:
            return
        if self._orders is not None:
            self._orders.feed_eof()
        await asyncio.gather(self._running, return_exceptions=True)
        self._running, self._orders, self.run = None, None, ""

    def _receive(self, message: Message) -> None:
        try:
            order = read_order(message.payload)
        except WorkerMessageError as error:
            self.say(f"an order could not be read: {error}")
            return
        received = self.now()
        self._heard = time.monotonic()
        match order:
            case Call():
                self._answer(Answer(sent=order.sent, received=received, returned=self.now()))
            case Begin():
                self._begin(order)
            case _ if self._orders is not None:
                self._orders.feed_data(msgspec.json.encode(order) + b"\n")
            case _:
                self.say("an order came outside of a run and was left out")

    def _begin(self, order: Begin) -> None:
        if self._running is not None:
            self.say(f"run {order.run} was refused: run {self.run} goes on")
            return
        self.run, self._orders = order.run, asyncio.StreamReader(limit=ORDER_BYTES)
        login = msgspec.structs.replace(self.login, ahead_ms=order.ahead_ms)
        self._orders.feed_data(msgspec.json.encode(login) + b"\n")
        self._running = asyncio.create_task(self._generate(self._orders), name="generate")
        self._announce()
        self.say(f"run {order.run} begins; this clock is {order.ahead_ms:+.2f} ms ahead of the runner's")

    async def _generate(self, orders: asyncio.StreamReader) -> None:
        try:
            await generator.run(orders, self._pass_on)
        except Exception as error:
            self._answer(Failed(text=f"{type(error).__name__}: {error}"[:500]))
            raise

    def _pass_on(self, kind: bytes, payload: bytes) -> None:
        """Send what the generator answers."""
        if kind == PROGRESS:
            self._answer(Report(progress=_PROGRESS.decode(payload)))
            return
        tables = {SENT: Sent, CONFIRMED: Confirmed}
        for rows in unpacked(payload).iter_slices(MAX_ROWS):
            self._answer(tables[kind](**_columns(rows)))

    def _answer(self, answer: WorkerAnswer) -> None:
        if self._link.alive:
            self._link.publish(load_topic(self.name, "answers"), encode(answer))


def _columns(rows: pl.DataFrame) -> dict[str, Any]:
    return {name: rows[name].to_list() for name in rows.columns}
