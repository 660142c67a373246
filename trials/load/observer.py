"""Observer of a load test: reads the processor's trace, the alarms and the broker's own counters over MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from broker.contract.alarm_events import AlarmEvent
from broker.contract.messages import MessageError, read
from broker.contract.topics import TRACE, alarm_topic
from broker.contract.trace import read_trace
from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message
from broker.mqtt.reconnection import keep_open
from trials.load.followed import Followed

SYS: Final = {
    "$SYS/broker/clients/connected": "clients",
    "$SYS/broker/messages/stored": "stored",
    "$SYS/broker/publish/messages/dropped": "dropped",
    "$SYS/broker/heap/current": "heap",
    "$SYS/broker/bytes/received": "bytes_received",
    "$SYS/broker/bytes/sent": "bytes_sent",
}
"""Counters of Mosquitto that reports show."""
MAX_ALARMS: Final = 1_000_000
MAX_POINTS: Final = 20_000
"""Points of a counter that are kept; when there are more, every other one goes."""
_EVENT = msgspec.json.Decoder(AlarmEvent)


@dataclass(frozen=True)
class Raised:
    """An alarm that was raised: pump, rule, therapy ms of the sample that led to it, wall ms of its publication."""

    pump: str
    rule: str
    time: int
    at: int


@dataclass
class Observer:
    """What was observed so far. `unread` counts messages that could not be read, and alarms beyond `MAX_ALARMS`.

    `courses` are the broker's counters over time: wall ms and value.
    """

    followed: Followed
    now: Callable[[], float]
    alarms: list[Raised] = field(default_factory=list)
    counters: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    courses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    unread: int = 0
    traced: bool = False

    def receive(self, message: Message) -> None:
        """Take in one message of the broker."""
        try:
            self._take(message)
        except (MessageError, ValueError):
            self.unread += 1

    def _take(self, message: Message) -> None:
        if message.topic == TRACE:
            self.traced = True
            self.followed.add_trace(read_trace(message.payload), self.now())
        elif message.topic in SYS:
            name, value = SYS[message.topic], float(message.payload)
            self.counters[name] = value
            self.peaks[name] = max(value, self.peaks.get(name, value))
            points = self.courses.setdefault(name, [])
            points.append((self.now(), value))
            if len(points) > MAX_POINTS:
                del points[1::2]
        else:
            event = read(_EVENT, message.payload, "an alarm event")
            if event.kind == "raised" and event.pump is not None:
                if len(self.alarms) >= MAX_ALARMS:
                    self.unread += 1
                    return
                self.alarms.append(Raised(event.pump, event.rule, event.time, event.at))


@contextlib.asynccontextmanager
async def watching(address: Address, followed: Followed, now: Callable[[], float]) -> AsyncIterator[Observer]:
    """Observe until the end of the block; the connection is made again when it breaks. `now` is wall ms.

    Raises `LinkError` if the broker cannot be reached or refuses.
    """
    observer = Observer(followed, now)
    link = Link(address, "pumpwatch-load-observer", on_message=observer.receive)
    await link.open()  # What fails now fails for good; what breaks later is opened again.
    await link.close()
    subscribed = asyncio.Event()

    async def session(connected: Link) -> None:
        for topic in (TRACE, alarm_topic("+"), *SYS):
            connected.subscribe(topic)
        subscribed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_open(link, session, report=lambda _: None, chance=random.Random()), name="observe")
    waiting = asyncio.create_task(subscribed.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield observer
    finally:
        for each in (task, waiting):
            each.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
