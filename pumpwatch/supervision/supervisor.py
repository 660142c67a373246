"""This file keeps several processes running as one: starts them in order, restarts what dies, stops all in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pumpwatch.supervision.process import SUPERVISED

READY_S: Final = 60.0
QUICK_S: Final = 20.0
"""A part that ran shorter than this died quickly."""
QUICK_DEATHS: Final = 5
"""So many quick deaths in a row, and we give up."""
FIRST_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 8.0
STOP_S: Final = 2.0
"""How long a part may take to end before it is killed."""
STOP_ALL_S: Final = 4.0
TAIL_LINES: Final = 15
LINE_LIMIT: Final = 256 * 1024
"""A longer line of a part's output is cut."""

State = Literal["started", "ended"]
Note = Callable[[State, str, str], None]
"""Hears of a part that it started or ended, and how."""
Say = Callable[[str, str], None]
"""Tells a person a line: of which part, and the text."""


class PartError(Exception):
    """A part does not start or does not stay; the text has its last lines."""


@dataclass(frozen=True)
class Part:
    """One process to keep: its name, what to execute, and what to add to its environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = READY_S


@dataclass
class Running:
    """A part that was started: its process and the last lines it said. `ready` gets the address that it names."""

    part: Part
    process: asyncio.subprocess.Process
    say: Say
    started: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    ready: asyncio.Future[str] = field(default_factory=asyncio.Future)
    readers: tuple[asyncio.Task[None], ...] = ()

    def hear(self, line: str) -> None:
        """Take one line of the part's output."""
        word, _, rest = line.partition(" ")
        name, _, address = rest.partition(" ")
        if word == "READY" and name == self.part.name:
            if not self.ready.done():
                self.ready.set_result(address)
            return
        self.tail.append(line)
        self.say(self.part.name, line)

    def last_words(self) -> str:
        """Return its last lines, indented, to stand below a sentence."""
        return "".join(f"\n    {line}" for line in self.tail) or "\n    (it said nothing)"


@dataclass
class Supervisor:
    """Keeps `parts` running between `start` and `stop`; `say` tells what they and the supervisor have to say.

    `note` hears of each part that started or ended.
    """

    parts: Sequence[Part]
    say: Say
    environment: Mapping[str, str]
    note: Note = lambda _state, _part, _text: None
    running: dict[str, Running] = field(default_factory=dict)

    async def start(self, stop: asyncio.Event) -> dict[str, str] | None:
        """Start every part once the one before it is ready; return their addresses, or None if `stop` came first.

        Raises `PartError`.
        """
        addresses = {}
        for part in self.parts:
            self.say("pumpwatch", f"starting the {part.name}")
            running = await self._launch(part)
            address = await self._await_ready(running, stop)
            if address is None:
                return None
            addresses[part.name] = address
            self.note("started", part.name, "")
        return addresses

    async def watch(self, stop: asyncio.Event) -> None:
        """Restart what dies until `stop`; raises `PartError` when one part cannot be kept alive."""
        keepers = [asyncio.ensure_future(self._keep(part, stop)) for part in self.parts]
        stopped = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait({*keepers, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            for task in (*keepers, stopped):
                task.cancel()
            await asyncio.gather(*keepers, stopped, return_exceptions=True)

    async def stop(self) -> None:
        """End every part, the last started first; what does not end in time is killed with all its children."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STOP_ALL_S
        for running in reversed(list(self.running.values())):
            if running.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    running.process.terminate()
                with contextlib.suppress(TimeoutError):
                    patience = min(STOP_S, max(deadline - loop.time(), 0.0))
                    await asyncio.wait_for(running.process.wait(), patience)
            if running.process.returncode is None:
                self.say("pumpwatch", f"{running.part.name} did not end in time and is killed")
            await self._sweep(running)
        self.running.clear()

    async def _launch(self, part: Part) -> Running:
        try:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**self.environment, **part.environment, SUPERVISED: "1"},
                start_new_session=True,
                limit=LINE_LIMIT,
            )
        except OSError as error:
            raise PartError(f"{part.name} cannot be started: {part.command[0]}: {error.strerror}") from error
        running = Running(part, process, self.say, asyncio.get_running_loop().time())
        running.readers = tuple(
            asyncio.ensure_future(_read(stream, running.hear))
            for stream in (process.stdout, process.stderr)
            if stream is not None
        )
        self.running[part.name] = running
        return running

    async def _await_ready(self, running: Running, stop: asyncio.Event) -> str | None:
        """Wait for READY; return the address, or None if `stop` came first."""
        part, ended = running.part, asyncio.ensure_future(running.process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        waiting: set[asyncio.Future[object]] = {running.ready, ended, stopped}  # type: ignore[arg-type]
        try:
            await asyncio.wait(waiting, timeout=part.ready_s, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                return None
            if running.ready.done():
                return running.ready.result()
            if ended.done():
                await asyncio.wait(running.readers, timeout=1.0)
                raise PartError(f"{part.name} {_how(ended.result())} before it was ready:{running.last_words()}")
            raise PartError(f"{part.name} was not ready within {part.ready_s:g} s:{running.last_words()}")
        finally:
            ended.cancel()
            stopped.cancel()
            await asyncio.gather(ended, stopped, return_exceptions=True)

    async def _keep(self, part: Part, stop: asyncio.Event) -> None:
        quick = 0
        loop = asyncio.get_running_loop()
        while True:
            running = self.running[part.name]
            code = await running.process.wait()
            await self._sweep(running)
            self.note("ended", part.name, _how(code))
            quick = quick + 1 if loop.time() - running.started < QUICK_S else 1
            if quick >= QUICK_DEATHS:
                raise PartError(
                    f"{part.name} {_how(code)}, {quick} times in a row within {QUICK_S:g} s of its start; "
                    f"giving up. Its last lines:{running.last_words()}"
                )
            wait = min(FIRST_WAIT_S * 2 ** (quick - 1), MAX_WAIT_S)
            self.say("pumpwatch", f"{part.name} {_how(code)}; starting it again in {wait:g} s")
            await asyncio.sleep(wait)
            await self._relaunch(part, stop)

    async def _relaunch(self, part: Part, stop: asyncio.Event) -> None:
        running = await self._launch(part)
        try:
            if await self._await_ready(running, stop) is not None:
                self.say("pumpwatch", f"{part.name} runs again")
                self.note("started", part.name, "again")
        except PartError as failure:
            self.say("pumpwatch", str(failure).partition("\n")[0].rstrip(":"))
            running.process.kill() if running.process.returncode is None else None

    async def _sweep(self, running: Running) -> None:
        """Kill what is left of a part's session, take leave of its pipes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)
        await running.process.wait()
        if running.process.stdin is not None:
            running.process.stdin.close()
        await asyncio.wait(running.readers, timeout=1.0)
        for reader in running.readers:
            reader.cancel()


async def _read(stream: asyncio.StreamReader, hear: Callable[[str], None]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            hear(f"(a line of more than {LINE_LIMIT:,} bytes was left out)")
            continue
        if not line:
            return
        hear(line.decode(errors="replace").rstrip())


def _how(code: int) -> str:
    if code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with code {code}"
