"""Presence: one processor at a time uses a broker; a second one finds the first and refuses to run."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from broker.contract.messages import encode
from broker.contract.presence import MAX_TEXT, Presence, read_presence
from broker.contract.topics import ALL_PROCESSORS, processor_topic
from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message, Will
from broker.mqtt.reconnection import SHORT_SESSION_S, keep_open
from processor.service.settings import SecondProcessorError

log = logging.getLogger("processor")

INTERVAL_S: Final = 2.0
"""How often a processor repeats that it is online."""
RETAINED_S: Final = 0.3
"""Time in which the broker delivers what it retains."""
ALIVE_TIMEOUT_S: Final = 6.0
"""A processor that is said to be online and sends nothing for so long has crashed together with the broker."""
POLL_S: Final = 0.1
MAX_OTHERS: Final = 100
MEETING_INTERVAL_S: Final = 60.0
"""Processors that come later are reported at most this often."""


def _ignore(_: str) -> None:
    """Report nobody."""


@dataclass
class Guard:
    """Announces this processor at the broker, and raises `SecondProcessorError` if another one is alive there.

    It has an MQTT session of its own: its will marks this processor as gone. `cleared` is set when none was found.
    `meet` gets a sentence about another one that came later, and refused.
    """

    address: Address
    client_id: str
    wall_ms: Callable[[], int]
    meet: Callable[[str], None] = _ignore
    cleared: asyncio.Event = field(default_factory=asyncio.Event)
    _own: Presence = field(init=False)
    _others: dict[str, Presence] = field(default_factory=dict)
    _alive: dict[str, Presence] = field(default_factory=dict)
    _named: set[str] = field(default_factory=set)
    _connected_at: float = math.inf
    _met_at: float = -math.inf

    def __post_init__(self) -> None:
        now, host = self.wall_ms(), (socket.gethostname() or "unknown")[:MAX_TEXT]
        self._own = Presence(id=self.client_id, run=secrets.token_hex(8), host=host, since=now, at=now, state="online")

    async def run(self) -> None:
        """Stay announced until cancelled."""
        will = Will(processor_topic(self.client_id), encode(self._note("gone")))
        link = Link(self.address, "", on_message=self._hear, will=will)
        await keep_open(link, self._session, report=self._report, chance=random.Random())

    def _report(self, text: str) -> None:
        """Log an outage; once the processor's own session exists, that one logs it."""
        log.log(logging.DEBUG if self.cleared.is_set() else logging.WARNING, "%s", text)

    def _note(self, state: str) -> Presence:
        return msgspec.structs.replace(self._own, at=self.wall_ms(), state=state)

    def _hear(self, message: Message) -> None:
        """Take in a presence; whoever sends a second one is alive, because only the first can be a retained one."""
        found = read_presence(message.payload)
        if found is None or found.run == self._own.run or message.topic != processor_topic(found.id):
            return
        if not message.retained and found.since > self._own.since:
            self._meet(found)
        before = self._others.get(found.run)
        if found.state == "gone":
            self._alive.pop(found.run, None)
        elif before is not None and before.at != found.at:
            self._alive[found.run] = found
        if before is not None or len(self._others) < MAX_OTHERS:
            self._others[found.run] = found

    def _meet(self, other: Presence) -> None:
        """Report another processor that was started after this one."""
        if time.monotonic() - self._met_at >= MEETING_INTERVAL_S:
            self._met_at = time.monotonic()
            self.meet(f"another processor ({other.id} on {other.host}) connected to {self.address.url} and was refused")

    def is_steady(self) -> bool:
        """Return whether its own session has stood for a while."""
        return time.monotonic() - self._connected_at >= SHORT_SESSION_S

    async def _session(self, link: Link) -> None:
        self._connected_at = time.monotonic()
        self._others.clear()
        self._alive.clear()
        link.subscribe(ALL_PROCESSORS)
        await self._find_others(link)
        self.cleared.set()
        try:
            while True:
                link.publish(processor_topic(self.client_id), encode(self._note("online")), retain=True)
                await asyncio.sleep(INTERVAL_S)
                self._refuse(newest=True)
        finally:
            self._connected_at = math.inf
            if link.alive:
                link.publish(processor_topic(self.client_id), encode(self._note("gone")), retain=True)

    async def _find_others(self, link: Link) -> None:
        """Wait until it is known which of the others are alive."""
        await asyncio.sleep(RETAINED_S)
        deadline = time.monotonic() + ALIVE_TIMEOUT_S
        while any(other.state == "online" for other in self._others.values()) and time.monotonic() < deadline:
            try:
                self._refuse(newest=False)
            except SecondProcessorError:
                # Not retained: the first one is to know, and whoever comes later is to find the first one.
                link.publish(processor_topic(self.client_id), encode(self._note("gone")))
                await asyncio.sleep(POLL_S)
                raise
            await asyncio.sleep(POLL_S)
        for other in self._others.values():
            if other.id != self.client_id and other.id not in self._named:
                self._named.add(other.id)
                log.warning(
                    "The broker may still queue messages for processor %s of %s, which is gone; "
                    "docs/delivery-guarantees.md says how to remove its session",
                    other.id,
                    other.host,
                )

    def _refuse(self, *, newest: bool) -> None:
        """Raise if another processor is alive; with `newest`, only if this one started after it."""
        for other in self._alive.values():
            if not newest or (self._own.since, self._own.run) > (other.since, other.run):
                raise SecondProcessorError(
                    f"another processor ({other.id} on {other.host}) is connected to {self.address.url}: two would "
                    "both confirm samples and act on alarms. Stop the other one, or use another broker. If it has "
                    f"crashed, start this one again after {ALIVE_TIMEOUT_S:g} s"
                )
