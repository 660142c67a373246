"""Generator processes of a load test, as the runner sees them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

import msgspec

from trials.load.followed import Followed
from trials.load.generator import CONFIRMED, HEADER, PROGRESS, SENT, Login
from trials.load.plan import MAX_FRAME_BYTES, Order, Progress, Stop
from trials.load.sent import unpacked

END_S: Final = 30.0
_PROGRESS = msgspec.json.Decoder(Progress)


class GeneratorError(Exception):
    """A generator ended by itself; the text quotes its last words."""


class Generates(Protocol):
    """What the runner needs of a generator, be it a process of this machine or a worker on another."""

    name: str
    progress: Progress | None

    async def order(self, order: Order) -> None:
        """Give an order; raises `GeneratorError` if the generator has ended."""

    def check(self) -> None:
        """Raise `GeneratorError` if the generator has ended by itself."""

    async def stop(self) -> None:
        """Let it finish."""


@dataclass
class GeneratorProcess:
    """One generator: its process, run in `environment`, the latest progress, and where its records go."""

    number: int
    login: Login
    followed: Followed
    on_progress: Callable[[Generates, Progress], None]
    environment: Mapping[str, str]
    progress: Progress | None = None
    name: str = ""
    _process: asyncio.subprocess.Process = field(init=False)
    _reading: asyncio.Task[None] = field(init=False)
    _words: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Start the process."""
        self.name = str(self.number)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trials.load.generator",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.environment, "POLARS_MAX_THREADS": "1"},
            limit=8 * 1024 * 1024,
        )
        self._reading = asyncio.create_task(self._read(), name=f"generator {self.number}")
        await self._write(msgspec.json.encode(self.login))

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def order(self, order: Order) -> None:
        """Give an order; raises `GeneratorError` if the process has ended."""
        await self._write(msgspec.json.encode(order))

    async def _write(self, line: bytes) -> None:
        target = cast(asyncio.StreamWriter, self._process.stdin)
        try:
            target.write(line + b"\n")
            await target.drain()
        except (BrokenPipeError, ConnectionResetError):
            self.check()
            raise GeneratorError(f"generator {self.number} takes no orders any more") from None

    def check(self) -> None:
        """Raise `GeneratorError` if the process has ended by itself."""
        if self._reading.done() and not self._reading.cancelled():
            self._reading.result()
            raise GeneratorError(f"generator {self.number} ended: {' '.join(self._words[-3:]) or 'without a word'}")

    async def stop(self) -> None:
        """Let it finish; kill it if that takes too long."""
        with contextlib.suppress(GeneratorError):
            await self.order(Stop())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), END_S)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        source = cast(asyncio.StreamReader, self._process.stdout)
        errors = cast(asyncio.StreamReader, self._process.stderr)
        hearing = asyncio.create_task(self._hear(errors))
        try:
            while True:
                kind, size = HEADER.unpack(await source.readexactly(HEADER.size))
                if size > MAX_FRAME_BYTES:
                    raise GeneratorError(f"generator {self.number} answered with {size:,} bytes at once")
                self._take(kind, await source.readexactly(size))
        except asyncio.IncompleteReadError:
            await hearing

    async def _hear(self, errors: asyncio.StreamReader) -> None:
        while line := await errors.readline():
            self._words = [*self._words[-20:], line.decode(errors="replace").strip()]

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == SENT:
            self.followed.add_sent(unpacked(payload))
        elif kind == CONFIRMED:
            self.followed.add_confirmed(unpacked(payload))
        elif kind == PROGRESS:
            self.progress = _PROGRESS.decode(payload)
            self.on_progress(self, self.progress)


def summed(generators: Sequence[Generates], name: str) -> Any:
    """Return the sum of a figure of the latest progress of all generators."""
    return sum(getattr(each.progress, name) for each in generators if each.progress)
