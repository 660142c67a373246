"""Receipt of many messages: a socket is read in blocks, messages are cut out of them and acknowledged together."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import mqtt5
import msgspec
import numpy as np
import paho.mqtt.client as paho

BLOCK_BYTES: Final = 256 * 1024
MAX_TOPICS: Final = 100_000
"""Topics cached as decoded text, about 20 MB; the cache is emptied when it is full."""
SIGN_OF_LIFE_S: Final = 5.0
"""How often messages are taken as a sign of life of the broker; well below the keep-alive."""
_PUBLISH: Final = 0x30
_NO_DUP_RETAIN_QOS_1: Final = 0xF4
"""Mask of the first byte of a packet that leaves out what a message of QoS 0 or 1 may be: repeated, or retained."""
_PUBACK: Final = 0x4002
_PINGRESP: Final = b"\xd0\x00"


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message that arrived."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    retained: bool


class BlockClient(paho.Client):
    """Paho client that itself takes only what is not a message: those of QoS 0 and 1 are cut out of what it would read.

    Paho makes three system calls and four objects for each message, 40 µs in all; a block has hundreds of messages, at
    about 2 µs each. `on_block` gets the messages of a block in order, and must not block. None is acknowledged by
    itself.
    """

    on_block: Callable[[list[Message]], None]

    def __init__(self, *settings: Any, five: bool, **named_settings: Any) -> None:
        """Take the settings of a `paho.Client`; `five` tells whether the protocol is MQTT 5."""
        super().__init__(*settings, **named_settings)
        self._five = five
        self._parts: list[bytes] = []
        self._missing = 0
        self._others = b""
        self._failure: OSError | None = None
        self._topics: dict[bytes, str] = {}
        self._alive_at = 0.0

    def read_block(self) -> None:
        """Read once from the socket, which the event loop says is ready, and hand on what came."""
        sock = self.socket()
        if sock is None:
            return
        try:
            block: bytes = sock.recv(BLOCK_BYTES)
            self._failure = None if block else ConnectionResetError("closed by the broker")
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except ssl.SSLWantWriteError:
            self._call_socket_register_write()
            return
        except OSError as error:
            self._failure = error
        if self._failure is not None:
            self.loop_read()
            return
        self._parts.append(block)
        self._missing -= len(block)
        if self._missing <= 0:
            self._hand_on(b"".join(self._parts))

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1 by their ids, in this order, with one write."""
        packets = np.full((len(mids), 2), _PUBACK, ">u2")
        packets[:, 1] = mids
        self._packet_queue(paho.PUBACK, packets.tobytes(), 0, 0)

    def publish_retained(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish retained messages, each with its topic, with QoS 0 and one write."""
        if not self._five:
            for topic, payload in messages:
                self.publish(topic, payload, retain=True)
        elif packets := b"".join(mqtt5.PublishPacket(*message, retain=True).write() for message in messages):
            # Paho takes them for a packet after which nothing is to be done.
            self._packet_queue(paho.PUBACK, packets, 0, 0)

    def _hand_on(self, data: bytes) -> None:
        """Hand on all packets in `data` but one that is not complete, of which the rest is still to come."""
        at, end = 0, len(data)
        while self.socket() is not None:
            messages, at, stop = cut_messages(data, at, self._topics, five=self._five)
            self._parts, self._missing = [data[at:]], stop - end
            if messages:
                self._show_life()
                self.on_block(messages)
            if stop > end:
                break
            self._feed(data[at:stop])
            at = stop

    def _show_life(self) -> None:
        """Let paho know that the broker lives: it has not seen the messages, behind which its answer may wait."""
        now = time.monotonic()
        if now - self._alive_at >= SIGN_OF_LIFE_S:
            self._alive_at = now
            self._feed(_PINGRESP)

    def _feed(self, packet: bytes) -> None:
        """Let paho read and handle a packet."""
        self._others = packet
        while self._others and self.socket() is not None:
            self.loop_read()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Return what paho reads: packets that are no messages, and how the connection failed."""
        part, self._others = self._others[:bufsize], self._others[bufsize:]
        if part:
            return part
        raise self._failure or BlockingIOError


def cut_messages(data: bytes, at: int, topics: dict[bytes, str], *, five: bool) -> tuple[list[Message], int, int]:
    """Cut messages of QoS 0 and 1 out of a stream of packets, from position `at` on.

    Return them, the position after them, and where the packet there ends: within `data` if it is another kind of
    packet, or malformed; beyond `data` if it is not complete. `topics` keeps the texts of topics by their bytes.
    """
    messages, end = list[Message](), len(data)
    take = messages.append
    while at + 2 <= end:
        first, length, start = data[at], data[at + 1], at + 2
        if length > 127:
            # Most lengths have two bytes.
            if start < end and data[start] < 128:
                length, start = (length & 127) + (data[start] << 7), start + 1
            else:
                length, start = variable_length(data, at + 1)
            if length < 0:
                return messages, at, end + 1 if end - at < 5 else end
        stop = start + length
        if stop > end or first & _NO_DUP_RETAIN_QOS_1 != _PUBLISH:
            return messages, at, stop
        try:
            cut = start + 2 + (data[start] << 8) + data[start + 1]
            name = data[start + 2 : cut]
            mid = 0
            if first & 2:
                mid = (data[cut] << 8) + data[cut + 1]
                cut += 2
            if five:
                properties, cut = data[cut], cut + 1
                if properties > 127:
                    properties, cut = variable_length(data, cut - 1)
                cut += properties
        except IndexError:
            return messages, at, stop
        if cut > stop:
            return messages, at, stop
        topic = topics.get(name) or _text_of(name, topics)
        take(Message(topic, data[cut:stop], mid, first >> 1 & 1, first & 1 == 1))
        at = stop
    return messages, at, end + 1


def variable_length(data: bytes, at: int) -> tuple[int, int]:
    """Return the length in one to four bytes at position `at`, and the position after it; -1 if there is none."""
    value = 0
    for number, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return value, at + number + 1
    return -1, at


def _text_of(name: bytes, topics: dict[bytes, str]) -> str:
    if len(topics) >= MAX_TOPICS:
        topics.clear()
    topic = topics[name] = name.decode("utf-8", "replace")
    return topic
