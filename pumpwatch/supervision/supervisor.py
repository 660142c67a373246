"""Supervisor: starts parts in order, restarts those that exit, stops all in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pumpwatch.supervision.part_process import MAX_LINE_BYTES, Part, Running, Say, read_lines
from pumpwatch.supervision.process import REFUSED, SUPERVISED

QUICK_EXIT_S: Final = 20.0
"""A part that exits sooner than this after its start counts as a quick exit."""
MAX_QUICK_EXITS: Final = 5
"""After this many quick exits in a row the supervisor gives up."""
MIN_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 8.0
STOP_TIMEOUT_S: Final = 4.0
"""A part that reports no progress for this long while it stops is killed."""
MAX_STOP_S: Final = 30.0
"""Time for all parts together to stop, whatever progress they report."""
State = Literal["started", "ended"]
Note = Callable[[State, str, str], None]
"""Called when a part started or ended: state, part, and how it ended."""


class PartError(Exception):
    """A part fails to start or keeps exiting; the message quotes its last lines."""


@dataclass
class Supervisor:
    """Keeps `parts` running between `start` and `stop`.

    `say` logs the output of parts and supervisor, `note` is called for each part that started or ended.
    """

    parts: Sequence[Part]
    say: Say
    environment: Mapping[str, str]
    note: Note = lambda _state, _part, _text: None
    running: dict[str, Running] = field(default_factory=dict)

    async def start(self, stop: asyncio.Event) -> dict[str, str] | None:
        """Start each part once the previous one is ready; return their addresses, or None if `stop` was set first.

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
        """Restart parts that exit until `stop`; raises `PartError` if one keeps exiting."""
        watchers = [asyncio.ensure_future(self._keep(part, stop)) for part in self.parts]
        stopped = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait({*watchers, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            for task in (*watchers, stopped):
                task.cancel()
            await asyncio.gather(*watchers, stopped, return_exceptions=True)

    async def stop(self) -> None:
        """Stop every part, in reverse order; those that do not stop in time are killed with all their children."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + MAX_STOP_S
        for running in reversed(list(self.running.values())):
            if running.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    running.process.terminate()
                await running.stopped(STOP_TIMEOUT_S, latest)
            if running.process.returncode is None:
                self.say("pumpwatch", f"{running.part.name} did not stop in time; killing it")
            await self._sweep(running)
        self.running.clear()

    async def _launch(self, part: Part) -> Running:
        try:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**self.environment, **part.environment, SUPERVISED: "1", "PYTHONIOENCODING": "utf-8"},
                start_new_session=True,
                limit=MAX_LINE_BYTES,
            )
        except OSError as error:
            raise PartError(f"cannot start {part.name}: {part.command[0]}: {error.strerror}") from error
        running = Running(part, process, self.say, asyncio.get_running_loop().time())
        running.readers = tuple(
            asyncio.ensure_future(read_lines(stream, running.receive))
            for stream in (process.stdout, process.stderr)
            if stream is not None
        )
        self.running[part.name] = running
        return running

    async def _await_ready(self, running: Running, stop: asyncio.Event) -> str | None:
        """Wait for READY; return the address, or None if `stop` was set first."""
        part, ended = running.part, asyncio.ensure_future(running.process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        waiting: set[asyncio.Future[object]] = {running.ready, ended, stopped}  # type: ignore[arg-type]
        try:
            while not any(each.done() for each in waiting) and (left_s := running.left_s(part.ready_s)) > 0:
                await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                return None
            if running.ready.done():
                return running.ready.result()
            if ended.done():
                await asyncio.wait(running.readers, timeout=1.0)
                raise PartError(f"{part.name} {_how(ended.result())} before it was ready:{running.last_lines()}")
            raise PartError(
                f"{part.name} was not ready within {part.ready_s:g} s{running.reached()}:{running.last_lines()}"
            )
        finally:
            ended.cancel()
            stopped.cancel()
            await asyncio.gather(ended, stopped, return_exceptions=True)

    async def _keep(self, part: Part, stop: asyncio.Event) -> None:
        """Restart one part for ever, with back-off; raises `PartError` after too many quick exits."""
        quick = 0
        loop = asyncio.get_running_loop()
        while True:
            running = self.running[part.name]
            code = await running.process.wait()
            await self._sweep(running)
            self.note("ended", part.name, _how(code))
            if code == REFUSED:
                raise PartError(f"{part.name} refuses to run:{running.last_lines()}")
            quick = quick + 1 if loop.time() - running.started < QUICK_EXIT_S else 1
            if quick >= MAX_QUICK_EXITS:
                raise PartError(
                    f"{part.name} {_how(code)} {quick} times in a row within {QUICK_EXIT_S:g} s of its start; "
                    f"giving up. Last lines:{running.last_lines()}"
                )
            wait = min(MIN_WAIT_S * 2 ** (quick - 1), MAX_WAIT_S)
            self.say("pumpwatch", f"{part.name} {_how(code)}; restarting in {wait:g} s")
            await asyncio.sleep(wait)
            await self._relaunch(part, stop)

    async def _relaunch(self, part: Part, stop: asyncio.Event) -> None:
        running = await self._launch(part)
        try:
            if await self._await_ready(running, stop) is not None:
                self.say("pumpwatch", f"{part.name} is running again")
                self.note("started", part.name, "again")
        except PartError as failure:
            self.say("pumpwatch", str(failure).partition("\n")[0].rstrip(":"))
            running.process.kill() if running.process.returncode is None else None

    async def _sweep(self, running: Running) -> None:
        """Kill the rest of a part's session and close its pipes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)
        await running.process.wait()
        if running.process.stdin is not None:
            running.process.stdin.close()
        await asyncio.wait(running.readers, timeout=1.0)
        for reader in running.readers:
            reader.cancel()


def _how(code: int) -> str:
    if code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"exited with code {code}"
