"""This file is the one place that speaks MQTT: sessions driven by the running event loop.

`Link` (on paho) is for what runs long and in number: gateways, of which one process may hold thousands, and the
processor, which acknowledges by hand. `conversation` (on aiomqtt) is for people: one short exchange, then gone.
Both use MQTT 5 and fall back to 3.1.1 where the broker knows no better. Coming back after a loss is in `reconnection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

CONNECT_TIMEOUT_S: Final = 10.0
KEEPALIVE_S: Final = 30
UPKEEP_S: Final = 5.0
"""How often a session looks whether a ping is due; well below the keepalive."""
SESSION_EXPIRY_S: Final = 7 * 24 * 3600
"""How long the broker keeps what a persistent session missed."""
NOBODY: Final = "No matching subscribers"
"""What a broker that speaks MQTT 5 says when it took a message and had nobody to give it to."""
UNSUPPORTED: Final = "Unsupported protocol version"


class LinkError(Exception):
    """The broker could not be reached, refused us, or went away; the text is for people."""


@dataclass
class Address:
    """Where a broker is, and which protocol it turned out to speak (None until a first connection learned it)."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False
    protocol: int | None = None
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    @property
    def url(self) -> str:
        """The address without its secrets."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @property
    def protocol_name(self) -> str:
        """The protocol's name as people say it."""
        return "MQTT 3.1.1" if self.protocol == paho.MQTTv311 else "MQTT 5"


def parse_url(url: str) -> Address:
    """Read `mqtt://[user:password@]host[:port]` (or `mqtts://`), or raise `LinkError`."""
    parts = urlsplit(url if "//" in url else f"mqtt://{url}")
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise LinkError(f"the broker's address begins with {parts.scheme}://; allowed are mqtt:// and mqtts://")
    try:
        port = parts.port
    except ValueError as error:
        raise LinkError(f"the port in {parts.hostname}:… is no port: {error}") from None
    if not parts.hostname:
        raise LinkError("the broker's address has no host; write mqtt://127.0.0.1:1883")
    tls = parts.scheme == "mqtts"
    return Address(
        parts.hostname,
        port or (8883 if tls else 1883),
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        tls,
    )


@dataclass(frozen=True, slots=True)
class Message:
    """Something that arrived."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    retained: bool


@dataclass(frozen=True)
class Will:
    """What the broker says in our name (QoS 1, retained) when we vanish."""

    topic: str
    payload: bytes


@dataclass
class Link:
    """One MQTT session from its opening to its end; whoever wants it back opens another.

    `on_message` is called in the event loop and must not block. With `manual` the broker keeps every QoS 1
    message until `acknowledge` names it, and is asked (MQTT 5) to send no more than `receive_maximum` of them in the
    meantime.
    `on_published` hears the id of each publication that the broker confirmed, and the reason if it refused it or had
    `NOBODY` to give it to.
    While `barred` holds a reason, no connection is opened.
    """

    address: Address
    client_id: str
    on_message: Callable[[Message], None] | None = None
    on_published: Callable[[int, str | None], None] | None = None
    will: Will | None = None
    persistent: bool = False
    manual: bool = False
    receive_maximum: int = 1000
    resumed: bool = field(default=False, init=False)
    barred: str = field(default="", init=False)
    _client: paho.Client = field(init=False)
    _opened: asyncio.Future[None] | None = field(default=None, init=False)
    _ended: asyncio.Future[str] = field(init=False)
    _upkeep: asyncio.TimerHandle | None = field(default=None, init=False)

    async def open(self) -> None:
        """Connect, or raise `LinkError`. Afterwards `resumed` says whether the broker still had our session."""
        if self.barred:
            raise LinkError(self.barred)
        async with self.address._learning:
            if self.address.protocol is None:
                await learn_protocol(self.address)
        await self._open()

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client = self._new_client()
        self._opened = opened = self._loop.create_future()
        self._ended = self._loop.create_future()
        self._ended.add_done_callback(lambda _: self._stop_upkeep())
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.to_thread(self._connect, client)
                await opened
        except TimeoutError:
            self._drop()
            raise LinkError(f"{self.address.url} did not answer within {CONNECT_TIMEOUT_S:g} s") from None
        except (OSError, ValueError) as error:
            self._drop()
            raise LinkError(f"no broker at {self.address.url}: {error}") from error
        except BaseException:
            self._drop()
            raise
        self._upkeep = self._loop.call_later(UPKEEP_S, self._keep_up)

    def _new_client(self) -> paho.Client:
        five = self.address.protocol != paho.MQTTv311
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=None if five else not self.persistent,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=self.manual,
        )
        client.max_inflight_messages_set(65_535)
        client.max_queued_messages_set(0)
        if self.address.username is not None:
            client.username_pw_set(self.address.username, self.address.password)
        if self.address.tls:
            client.tls_set_context(ssl.create_default_context())
        if self.will is not None:
            client.will_set(self.will.topic, self.will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = lambda _c, _u, sock: self._in_loop(self._watch, sock)
        client.on_socket_close = lambda _c, _u, sock: self._in_loop(self._unwatch, sock)
        client.on_socket_register_write = lambda _c, _u, sock: self._in_loop(self._watch_write, sock)
        client.on_socket_unregister_write = lambda _c, _u, sock: self._in_loop(self._unwatch_write, sock)
        return client

    def _connect(self, client: paho.Client) -> None:
        if self.address.protocol == paho.MQTTv5 and (self.persistent or self.manual):
            wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wishes.SessionExpiryInterval = SESSION_EXPIRY_S if self.persistent else 0
            wishes.ReceiveMaximum = self.receive_maximum
            client.connect(
                self.address.host,
                self.address.port,
                KEEPALIVE_S,
                clean_start=not self.persistent,
                properties=wishes,
            )
        else:
            client.connect(self.address.host, self.address.port, KEEPALIVE_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1 and return the id under which `on_published` will confirm it."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def subscribe(self, topic: str) -> None:
        """Ask for a topic filter with QoS 1."""
        self._client.subscribe(topic, qos=1)

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are safe with us, in the order in which they came."""
        for message in messages:
            if message.qos:
                self._client.ack(message.mid, message.qos)

    async def ended(self) -> str:
        """Wait until the connection is gone; return why."""
        return await asyncio.shield(self._ended)

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return self._opened is not None and self._opened.done() and not self._ended.done()

    async def close(self) -> None:
        """Say goodbye; the will is not sent. Does nothing where the broker was never tried."""
        if self.alive:
            self._client.disconnect()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), 1.0)
        if self._opened is not None:
            self._drop()

    def cut(self, reason: str) -> None:
        """End without a word, as when the broker dies, and open no more until `barred` is empty again."""
        self.barred = reason
        if self.alive:
            self._drop()

    def _drop(self) -> None:
        """End without a word: close the socket and mark the end."""
        sock = self._client.socket()
        if sock is not None:
            self._unwatch(sock)
            with contextlib.suppress(OSError):
                sock.close()
        self._end("closed")

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    def _stop_upkeep(self) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()

    def _keep_up(self) -> None:
        self._client.loop_misc()
        if self.alive:
            self._upkeep = self._loop.call_later(UPKEEP_S, self._keep_up)

    def _in_loop(self, function: Callable[[Any], None], sock: Any) -> None:
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            function(sock)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, sock)

    def _watch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_reader(sock, self._client.loop_read)

    def _unwatch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _watch_write(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock, self._client.loop_write)

    def _unwatch_write(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

    def _on_connect(self, _c: paho.Client, _u: Any, flags: paho.ConnectFlags, code: ReasonCode, _p: Any) -> None:
        if self._opened is None or self._opened.done():
            return
        if code.is_failure:
            self._opened.set_exception(LinkError(f"{self.address.url} refused {self.client_id}: {code}"))
        else:
            self.resumed = flags.session_present
            self._opened.set_result(None)

    def _on_disconnect(self, _c: paho.Client, _u: Any, _f: paho.DisconnectFlags, code: ReasonCode, _p: Any) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(LinkError(f"{self.address.url} hung up on {self.client_id}: {code}"))
        self._end(str(code))

    def _on_message(self, _c: paho.Client, _u: Any, message: paho.MQTTMessage) -> None:
        if self.on_message is not None:
            self.on_message(
                Message(message.topic, bytes(message.payload), message.mid, message.qos, retained=message.retain)
            )

    def _on_publish(self, _c: paho.Client, _u: Any, mid: int, code: ReasonCode, _p: Any) -> None:
        if self.on_published is not None:
            said = str(code)
            self.on_published(mid, said if code.is_failure or said == NOBODY else None)


async def learn_protocol(address: Address) -> int:
    """Find out whether the broker speaks MQTT 5 or only 3.1.1 and note it in `address`; raises `LinkError`.

    Asked with a bare CONNECT, as the embedded broker reads the properties or the will of version 5 as something
    else and then waits for more instead of refusing.
    """
    probe = Link(replace(address, protocol=paho.MQTTv5), client_id="")
    protocol = paho.MQTTv5
    try:
        await probe._open()
    except LinkError as error:
        if UNSUPPORTED not in str(error):
            raise
        protocol = paho.MQTTv311
    finally:
        await probe.close()
    address.protocol = protocol
    return protocol


@contextlib.asynccontextmanager
async def conversation(url: str, topics: Sequence[str] = ()) -> AsyncIterator[aiomqtt.Client]:
    """Open a short session for people's commands, subscribed to `topics`; raises `LinkError` when it cannot be."""
    address = parse_url(url)
    protocol = await learn_protocol(address)
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        protocol=aiomqtt.ProtocolVersion(protocol),
        tls_context=ssl.create_default_context() if address.tls else None,
        timeout=CONNECT_TIMEOUT_S,
    )
    try:
        async with client:
            for topic in topics:
                await client.subscribe(topic, qos=1)
            yield client
    except aiomqtt.MqttError as error:
        raise LinkError(f"the conversation with {address.url} broke off: {error}") from error
