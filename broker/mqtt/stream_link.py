"""MQTT 5 session on an asyncio transport, without a thread or task of its own: for processes that hold thousands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import mqtt5

from broker.mqtt.address import Address, LinkError
from broker.mqtt.connecting import CLOSE_TIMEOUT_S, KEEPALIVE_S, closed_early, connecting
from broker.mqtt.link import Message, Will
from broker.mqtt.reasons import Undelivered

MAX_PACKET_BYTES: Final = 16 * 1024 * 1024
"""Largest packet taken from the broker, which does not send larger ones."""
MAX_PACKET_ID: Final = 65_535
SUBSCRIBE_ID: Final = MAX_PACKET_ID
"""Packet id of all SUBSCRIBE packets; publications never use it."""
_QOS_1: Final = mqtt5.QoS.AT_LEAST_ONCE


@dataclass(eq=False, slots=True)
class StreamLink(asyncio.Protocol):
    """One MQTT 5 session from connect to disconnect, with the interface of `broker.mqtt.link.Link`; open it again to
    reconnect.

    Callbacks are called in the event loop and must not block. `on_published` gets the id of each publication that the
    broker confirmed, and why if it delivered it to nobody; `on_ended` why an open session ended. The owner calls
    `keep_alive` every few seconds. The broker keeps nothing for the session after its end.
    """

    address: Address
    client_id: str
    on_message: Callable[[Message], None]
    on_published: Callable[[int, Undelivered | None], None]
    on_ended: Callable[[str], None]
    will: Will
    end_code: int | None = None
    closed: bool = False
    _transport: asyncio.Transport | None = None
    _opened: asyncio.Future[None] | None = None
    _ended: asyncio.Future[None] | None = None
    _reason: str = ""
    _rest: bytes = b""
    _last_id: int = 0
    _pending: set[int] = field(default_factory=set)
    _sent_s: float = 0.0
    _received_s: float = 0.0
    _pinged_s: float | None = None
    _interval_s: float = KEEPALIVE_S

    async def open(self) -> None:
        """Connect, or raise `LinkError`."""
        loop = asyncio.get_running_loop()
        context = self.address.tls_context()
        host, port = self.address.host, self.address.port
        self._opened = opened = loop.create_future()
        self.end_code, self.closed, self._reason, self._rest, self._pinged_s = None, False, "", b"", None
        self._pending.clear()
        try:
            async with connecting(self.address):
                await self._gone()
                name = None if context is None else host
                await loop.create_connection(lambda: self, host, port, ssl=context, server_hostname=name)
                await opened
        except BaseException:
            opened.cancel()
            self.abort()
            raise

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1 and return the id under which `on_published` will confirm it."""
        mid = self._next_id()
        self._pending.add(mid)
        self._write(mqtt5.PublishPacket(topic, payload, qos=_QOS_1, retain=retain, packet_id=mid).write())
        return mid

    def subscribe(self, *topics: str) -> None:
        """Subscribe to topic filters with QoS 1."""
        filters = [mqtt5.TopicFilter(topic, max_qos=_QOS_1, retain_as_published=False) for topic in topics]
        self._write(mqtt5.SubscribePacket(SUBSCRIBE_ID, filters).write())

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        opened = self._opened
        return self._transport is not None and opened is not None and opened.done() and not self._transport.is_closing()

    @property
    def unconfirmed(self) -> int:
        """Number of publications that the broker has not confirmed."""
        return len(self._pending)

    def keep_alive(self, now_s: float) -> None:
        """Ping if nothing was sent or received for a while, and drop the connection if the broker does not answer.

        `now_s` is the clock of the event loop.
        """
        if not self.alive:
            return
        if self._pinged_s is not None and now_s - self._pinged_s >= self._interval_s:
            self._reason = "keep-alive timeout"
            self.abort()
        elif self._pinged_s is None and now_s - min(self._sent_s, self._received_s) >= self._interval_s:
            self._pinged_s = now_s
            self._write(mqtt5.PingReqPacket().write())

    def disconnect(self) -> None:
        """Disconnect cleanly, so that the will is not sent; `on_ended` follows."""
        if self.alive and self._transport is not None:
            self.closed, self._reason = True, "closed"
            self._write(mqtt5.DisconnectPacket().write())
            self._transport.close()

    async def close(self) -> None:
        """Disconnect cleanly and wait until the connection is gone."""
        self.disconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._gone()
        self.abort()

    def abort(self) -> None:
        """Drop the connection as if the network had."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT on a new connection."""
        self._transport = cast(asyncio.Transport, transport)
        user, password = self.address.login()
        will = mqtt5.Will(self.will.topic, payload=self.will.payload, qos=_QOS_1, retain=True)
        packet = mqtt5.ConnectPacket(
            self.client_id,
            username=user,
            password=None if password is None else password.encode(),
            clean_start=True,
            will=will,
            keep_alive=KEEPALIVE_S,
            max_packet_size=MAX_PACKET_BYTES,
        )
        self._write(packet.write())

    def data_received(self, data: bytes) -> None:
        """Take the packets that are complete."""
        buffer = memoryview(self._rest + data if self._rest else data)
        self._received_s, self._pinged_s = asyncio.get_running_loop().time(), None
        while buffer and self._transport is not None:
            try:
                packet, size = mqtt5.read(buffer)
            except IndexError:
                break
            except ValueError as error:
                self._reason = f"the broker sent a malformed packet: {error}"
                self.abort()
                break
            buffer = buffer[size:]
            self._take(packet)
        self._rest = bytes(buffer)
        if len(self._rest) > MAX_PACKET_BYTES:
            self._reason = f"the broker sent a packet of more than {MAX_PACKET_BYTES:,} bytes"
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection."""
        self._transport, self._rest = None, b""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        self._pending.clear()
        reason = self._reason or str(exc or "the broker closed the connection")
        opened = self._opened
        if opened is None or opened.cancelled() or (opened.done() and opened.exception() is not None):
            return
        if not opened.done():
            opened.set_exception(closed_early(self.address, self.client_id, reason, self.end_code))
        else:
            self.on_ended(reason)

    def _take(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.PubAckPacket):
            self._confirmed(packet)
        elif isinstance(packet, mqtt5.PublishPacket):
            if packet.packet_id is not None:
                self._write(mqtt5.PubAckPacket(packet.packet_id).write())
            qos = int(packet.qos)
            self.on_message(Message(packet.topic, packet.payload, packet.packet_id or 0, qos, retained=packet.retain))
        elif isinstance(packet, mqtt5.ConnAckPacket):
            self._answered(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self.end_code, self._reason = int(packet.reason_code), _text(packet.reason_code.name)
            self.abort()

    def _answered(self, packet: mqtt5.ConnAckPacket) -> None:
        if self._opened is None or self._opened.done():
            return
        if int(packet.reason_code):
            text = f"{self.address.url} refused the connection of client {self.client_id!r}"
            name = _text(packet.reason_code.name)
            self._opened.set_exception(LinkError(f"{text}: {name}", int(packet.reason_code)))
        else:
            self._interval_s = packet.server_keep_alive or KEEPALIVE_S
            self._opened.set_result(None)

    def _confirmed(self, packet: mqtt5.PubAckPacket) -> None:
        if packet.packet_id in self._pending:
            self._pending.discard(packet.packet_id)
            code = packet.reason_code
            self.on_published(packet.packet_id, Undelivered(int(code), _text(code.name)) if int(code) else None)

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % (MAX_PACKET_ID - 1) + 1
            if self._last_id not in self._pending:
                return self._last_id

    async def _gone(self) -> None:
        """Wait until the end of the last connection was reported."""
        if self._transport is not None:
            self._ended = asyncio.get_running_loop().create_future()
            await self._ended

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._sent_s = asyncio.get_running_loop().time()
            self._transport.write(data)


def _text(name: str) -> str:
    """Return the name of a reason code for people: "Not authorized"."""
    return name.replace("_", " ").capitalize()
