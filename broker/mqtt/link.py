"""MQTT session of a long-running client: connect, publish, subscribe, acknowledge, close.

Gateways, of which one process may hold thousands, and the processor, which acknowledges by hand, each use a `Link`,
driven by the running event loop. It uses MQTT 5 and falls back to 3.1.1 if the broker does not speak 5. Reconnecting is
in `broker.mqtt.reconnection`, short exchanges are in `broker.mqtt.conversation`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from broker.mqtt.address import MQTT_3, MQTT_5, Address, LinkError
from broker.mqtt.block_reader import BlockClient, Message
from broker.mqtt.connecting import CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S, KEEPALIVE_S, closed_early, connecting
from broker.mqtt.event_loop import SocketWatch
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS, UNSUPPORTED_PROTOCOL_VERSION, Undelivered

__all__ = ["Link", "Message", "Will", "known_protocol", "learn_protocol"]

MAX_IN_FLIGHT: Final = 100
"""Publications in flight; more wait. At each acknowledgement paho walks through all in flight before it sends more."""
SESSION_EXPIRY_S: Final = 7 * 24 * 3600
"""How long the broker keeps the messages that a persistent session missed."""


@dataclass(frozen=True)
class Will:
    """What the broker publishes for us (QoS 1, retained) if the connection breaks."""

    topic: str
    payload: bytes


@dataclass
class Link:
    """One MQTT session from connect to disconnect; open it again to reconnect.

    `on_messages` gets the messages that arrived together, in order, and `on_message` each of them; both are called in
    the event loop and must not block. With `manual` the broker keeps every QoS 1 message until `acknowledge` names it,
    and is asked (MQTT 5) to have no more than `receive_maximum` of them unacknowledged.
    `on_published` gets the id of each publication that the broker confirmed, and why if it delivered it to nobody.
    `end_code` is the reason code of the last end, if any, `closed` whether we ended it ourselves; `refused` is set once
    the broker refuses a subscription.
    """

    address: Address
    client_id: str
    on_message: Callable[[Message], None] | None = None
    on_published: Callable[[int, Undelivered | None], None] | None = None
    will: Will | None = None
    persistent: bool = False
    manual: bool = False
    receive_maximum: int = 1000
    on_messages: Callable[[list[Message]], None] | None = None
    resumed: bool = field(default=False, init=False)
    end_code: int | None = field(default=None, init=False)
    closed: bool = field(default=False, init=False)
    refused: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _client: BlockClient = field(init=False)
    _watch: SocketWatch = field(init=False)
    _opened: asyncio.Future[None] | None = field(default=None, init=False)
    _ended: asyncio.Future[str] = field(init=False)

    async def open(self) -> None:
        """Connect, or raise `LinkError`. Afterwards `resumed` says whether the broker still had our session."""
        await known_protocol(self.address)
        await self._open()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._client = client = self._new_client()
        self._watch = watch = SocketWatch(client, loop)
        self._opened = opened = loop.create_future()
        self._ended, self.end_code, self.closed = loop.create_future(), None, False
        self.refused.clear()
        self._ended.add_done_callback(lambda _: watch.stop_upkeep())
        try:
            async with connecting(self.address, CONNECT_TIMEOUT_S):
                await asyncio.to_thread(self._connect, client)
                await opened
        except BaseException:
            self._drop()
            raise
        watch.start_upkeep()

    def _new_client(self) -> BlockClient:
        five = self.address.protocol != MQTT_3
        client = BlockClient(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=None if five else not self.persistent,
            protocol=MQTTProtocolVersion(MQTT_5 if five else MQTT_3),
            reconnect_on_failure=False,
            five=five,
        )
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        client.max_queued_messages_set(0)
        user, password = self.address.login()
        if user is not None:
            client.username_pw_set(user, password)
        if (context := self.address.tls_context()) is not None:
            client.tls_set_context(context)
        if self.will is not None:
            client.will_set(self.will.topic, self.will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_block = self._receive
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _connect(self, client: paho.Client) -> None:
        host, port = self.address.host, self.address.port
        if self.address.protocol != MQTT_5 or not (self.persistent or self.manual):
            client.connect(host, port, KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S if self.persistent else 0
        properties.ReceiveMaximum = self.receive_maximum
        client.connect(host, port, KEEPALIVE_S, clean_start=not self.persistent, properties=properties)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1 and return the id under which `on_published` will confirm it."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def publish_retained(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish messages that supersede earlier ones, each with its topic: retained, QoS 0, in one write.

        Those that are lost with the connection are to be repeated on the next.
        """
        self._client.publish_retained(messages)

    def publish_once(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0: it overtakes nothing that is sent so, and is lost if the connection is."""
        self._client.publish(topic, payload, qos=0)

    def subscribe(self, topic: str) -> None:
        """Subscribe to a topic filter with QoS 1."""
        self._client.subscribe(topic, qos=1)

    def ask_retained(self, topic: str) -> None:
        """Have the broker send what is retained on a topic once more, although a wider subscription covers it."""
        self._client.subscribe(topic, qos=1)
        self._client.unsubscribe(topic)

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Acknowledge messages to the broker by their ids, in the order in which they came; QoS 0 has no id but 0."""
        if with_id := [mid for mid in mids if mid]:
            self._client.acknowledge(with_id)

    def pause_reading(self) -> None:
        """Read nothing more from this connection: what comes waits in the network and with the broker."""
        self._watch.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.alive:
            self._watch.resume_reading()

    async def ended(self) -> str:
        """Wait until the connection is gone; return why."""
        return await asyncio.shield(self._ended)

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._opened is not None and self._opened.done() and not self._ended.done()

    async def close(self) -> None:
        """Disconnect cleanly, so that the will is not sent. Does nothing if the link was never opened."""
        if self.alive:
            self.closed = True
            self._client.disconnect()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), CLOSE_TIMEOUT_S)
        if self._opened is not None:
            self._drop()

    def abort(self) -> None:
        """Drop the connection as if the network had."""
        if self.alive:
            self._drop()

    def _drop(self) -> None:
        """Close the socket without a DISCONNECT and mark the end."""
        self._watch.close_socket()
        self._end("closed")

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    def _on_connect(self, _c: paho.Client, _u: Any, flags: paho.ConnectFlags, code: ReasonCode, _p: Any) -> None:
        if self._opened is None or self._opened.done():
            return
        if code.is_failure:
            text = f"{self.address.url} refused the connection of client {self.client_id!r}: {code}"
            self._opened.set_exception(LinkError(text, code.value))
        else:
            self.resumed = flags.session_present
            self._opened.set_result(None)

    def _on_disconnect(self, _c: paho.Client, _u: Any, _f: paho.DisconnectFlags, code: ReasonCode, _p: Any) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(closed_early(self.address, self.client_id, str(code), code.value))
        self.end_code = code.value
        self._end(str(code))

    def _receive(self, messages: list[Message]) -> None:
        if self.on_messages is not None:
            self.on_messages(messages)
        if self.on_message is not None:
            for message in messages:
                self.on_message(message)
        if not self.manual:
            self.acknowledge(message.mid for message in messages)

    def _on_message(self, _c: paho.Client, _u: Any, message: paho.MQTTMessage) -> None:
        """Take a message of QoS 2, which paho confirms: some brokers send retained ones and wills as they came."""
        self._receive([Message(message.topic, bytes(message.payload), 0, message.qos, retained=message.retain)])

    def _on_subscribe(self, _c: paho.Client, _u: Any, _mid: int, codes: list[ReasonCode], _p: Any) -> None:
        if any(code.is_failure for code in codes):
            self.refused.set()

    def _on_publish(self, _c: paho.Client, _u: Any, mid: int, code: ReasonCode, _p: Any) -> None:
        if self.on_published is not None:
            failed = code.is_failure or code.value == NO_MATCHING_SUBSCRIBERS
            self.on_published(mid, Undelivered(code.value, str(code)) if failed else None)


async def known_protocol(address: Address) -> int:
    """Return the protocol of a broker, after a first connection has learned it; raises `LinkError`."""
    if address.protocol is None and address.shared is not None:
        address.protocol = await known_protocol(address.shared)
    if address.protocol is None:
        async with address._learning:
            if address.protocol is None:
                await learn_protocol(address)
    return address.protocol or MQTT_5


async def learn_protocol(address: Address) -> int:
    """Find out whether the broker speaks MQTT 5 or only 3.1.1 and note it in `address`; raises `LinkError`.

    Of several servers, the first that answers is asked. The probe is a bare CONNECT: the embedded broker misreads the
    properties or the will of version 5 and then waits for more bytes instead of refusing.
    """
    for left in reversed(range(1 + len(address.more))):
        try:
            address.protocol = await _probe(address)
            break
        except LinkError:
            address.turn((address.host, address.port))
            if not left:
                raise
    return address.protocol or MQTT_5


async def _probe(address: Address) -> int:
    """Return the protocol that the present server of an address speaks; raises `LinkError`."""
    probe = Link(replace(address, protocol=MQTT_5, more=()), client_id="")
    try:
        await probe._open()
    except LinkError as error:
        if error.code != UNSUPPORTED_PROTOCOL_VERSION:
            raise
        return MQTT_3
    finally:
        await probe.close()
    return MQTT_5
