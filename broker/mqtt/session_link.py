"""Link of a gateway: MQTT 5 on an asyncio transport, or MQTT 3.1.1 with the same interface for the embedded broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from broker.mqtt.address import MQTT_3, Address
from broker.mqtt.link import Link, Message, Will, known_protocol
from broker.mqtt.reasons import Undelivered
from broker.mqtt.stream_link import StreamLink


@dataclass(eq=False)
class OldLink:
    """A `Link` with the interface of `StreamLink`, for brokers that speak MQTT 3.1.1 only."""

    address: Address
    client_id: str
    on_message: Callable[[Message], None]
    on_published: Callable[[int, Undelivered | None], None]
    on_ended: Callable[[str], None]
    will: Will
    _link: Link = field(init=False)
    _pending: set[int] = field(default_factory=set)
    _ending: asyncio.Task[None] | None = None
    _closing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._link = Link(self.address, self.client_id, self.on_message, self._confirmed, self.will)

    async def open(self) -> None:
        """Connect, or raise `LinkError`."""
        self._closing = None
        await self._link.open()
        self._ending = asyncio.create_task(self._report_end())

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1 and return the id under which `on_published` will confirm it."""
        mid = self._link.publish(topic, payload, retain=retain)
        self._pending.add(mid)
        return mid

    def subscribe(self, *topics: str) -> None:
        """Subscribe to topic filters with QoS 1."""
        for topic in topics:
            self._link.subscribe(topic)

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._link.alive

    @property
    def end_code(self) -> int | None:
        """Reason code of the last end, if the broker gave one."""
        return self._link.end_code

    @property
    def unconfirmed(self) -> int:
        """Number of publications that the broker has not confirmed."""
        return len(self._pending)

    def keep_alive(self, now_s: float) -> None:
        """Do nothing: the link pings by itself."""

    def disconnect(self) -> None:
        """Disconnect cleanly, so that the will is not sent; `on_ended` follows."""
        if self.alive:
            self._closing = asyncio.create_task(self._link.close())

    def abort(self) -> None:
        """Drop the connection as if the network had."""
        self._link.abort()

    def _confirmed(self, mid: int, undelivered: Undelivered | None) -> None:
        self._pending.discard(mid)
        self.on_published(mid, undelivered)

    async def _report_end(self) -> None:
        reason = await self._link.ended()
        self._pending.clear()
        if self._closing is None:
            await self._link.close()
        self.on_ended(reason)


SessionLink = StreamLink | OldLink


async def link_kind(address: Address) -> type[StreamLink] | type[OldLink]:
    """Return the kind of link that a broker needs; raises `LinkError` if it cannot be reached."""
    return OldLink if await known_protocol(address) == MQTT_3 else StreamLink
