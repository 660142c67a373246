"""TCP proxy that simulates a bad network: delay, throttling, disconnects, silence and flipped bits, set at run time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

CHUNK = 16 * 1024
POLL_INTERVAL_S = 0.02


@dataclass
class Proxy:
    """Forwards connections to a local port; its faults may be changed at any time."""

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

    def restore(self) -> None:
        """End all faults of the network."""
        self.latency_s, self.bytes_a_s, self.silent, self.flips_a_chunk = 0.0, 0.0, False, 0.0

    def cut(self) -> None:
        """Abort every connection without closing it properly."""
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
            task = asyncio.create_task(self._forward(source, sink, (writer, far_writer)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        try:
            while data := await source.read(CHUNK):
                await asyncio.sleep(self.latency_s + (len(data) / self.bytes_a_s if self.bytes_a_s else 0.0))
                while self.silent:
                    await asyncio.sleep(POLL_INTERVAL_S)
                sink.write(self._mutated(data))
                await sink.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for writer in both:
                self._open.discard(writer)
                with contextlib.suppress(RuntimeError):
                    writer.transport.abort()

    def _mutated(self, data: bytes) -> bytes:
        if self.chance.random() >= self.flips_a_chunk:
            return data
        self.flipped += 1
        mutated = bytearray(data)
        mutated[self.chance.randrange(len(mutated))] ^= 1 << self.chance.randrange(8)
        return bytes(mutated)
