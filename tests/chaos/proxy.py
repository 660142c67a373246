"""A bad network: a TCP proxy that delays, throttles, cuts, falls silent and flips bits, as it is told while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

CHUNK = 16 * 1024
LOOK_S = 0.02


@dataclass
class Proxy:
    """Passes connections to a port of this machine on. What it does to them may be changed at any time."""

    target: int
    chance: random.Random
    latency_s: float = 0.0
    bytes_a_s: float = 0.0
    silent: bool = False
    flips_a_chunk: float = 0.0
    port: int = 0
    flipped: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def calm(self) -> None:
        """Be a good network."""
        self.latency_s, self.bytes_a_s, self.silent, self.flips_a_chunk = 0.0, 0.0, False, 0.0

    def cut(self) -> None:
        """Cut every connection without a word."""
        for writer in list(self._open):
            writer.transport.abort()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, sink, (writer, far_writer)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        try:
            while data := await source.read(CHUNK):
                await asyncio.sleep(self.latency_s + (len(data) / self.bytes_a_s if self.bytes_a_s else 0.0))
                while self.silent:
                    await asyncio.sleep(LOOK_S)
                sink.write(self._harmed(data))
                await sink.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for writer in both:
                self._open.discard(writer)
                with contextlib.suppress(RuntimeError):
                    writer.transport.abort()

    def _harmed(self, data: bytes) -> bytes:
        if self.chance.random() >= self.flips_a_chunk:
            return data
        self.flipped += 1
        harmed = bytearray(data)
        harmed[self.chance.randrange(len(harmed))] ^= 1 << self.chance.randrange(8)
        return bytes(harmed)
