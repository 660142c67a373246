"""Proxy before a broker that drops, duplicates and swaps exact MQTT messages from a client, and counts them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

PUBLISH, PUBACK = 0x30, 0x40


@dataclass
class MessageProxy:
    """Forwards connections to a local port. Of all messages on topics that end in `leaf`, counted from 0, it drops,
    duplicates, or swaps with the next of their connection those whose number is in a set. It confirms what it drops.
    """

    target: int
    leaf: bytes
    drop: frozenset[int] = frozenset()
    duplicate: frozenset[int] = frozenset()
    swap: frozenset[int] = frozenset()
    seen: int = 0
    done: dict[str, int] = field(default_factory=lambda: {"drop": 0, "duplicate": 0, "swap": 0})
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        for job in (self._forward(reader, far_writer, writer), _copy(far_reader, writer, far_writer)):
            task = asyncio.create_task(job)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        waiting, held = b"", b""
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                waiting += data
                packets, waiting = cut(waiting)
                for packet in packets:
                    out, held = self._mutate(packet, held, back)
                    sink.write(out)
                await sink.drain()
        sink.close()

    def _mutate(self, packet: bytes, held: bytes, back: asyncio.StreamWriter) -> tuple[bytes, bytes]:
        """Return what goes to the broker now, and what waits for the next message."""
        if packet[0] & 0xF0 != PUBLISH or not topic_of(packet)[0].endswith(self.leaf):
            return packet, held
        number = self.seen
        self.seen += 1
        if number in self.drop:
            self.done["drop"] += 1
            back.write(bytes([PUBACK, 2]) + topic_of(packet)[1])
            return b"", held
        if number in self.duplicate:
            self.done["duplicate"] += 1
            return packet * 2 + held, b""
        if number in self.swap and not held:
            self.done["swap"] += 1
            return b"", packet
        return packet + held, b""


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, other: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
    other.close()


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole MQTT packets in `data`, and the rest."""
    packets, at = [], 0
    for begin, end in _bounds(data):
        packets.append(data[begin:end])
        at = end
    return packets, data[at:]


def _bounds(data: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(data):
        size, place = 0, at + 1
        while place < len(data) and data[place] & 0x80:
            place += 1
        if place >= len(data):
            return
        for step, byte in enumerate(data[at + 1 : place + 1]):
            size |= (byte & 0x7F) << (7 * step)
        if place + 1 + size > len(data):
            return
        yield at, place + 1 + size
        at = place + 1 + size


def topic_of(packet: bytes) -> tuple[bytes, bytes]:
    """Return the topic of a PUBLISH of QoS 1, and its packet id."""
    place = 1
    while packet[place] & 0x80:
        place += 1
    size = int.from_bytes(packet[place + 1 : place + 3], "big")
    end = place + 3 + size
    return packet[place + 3 : end], packet[end : end + 2]
