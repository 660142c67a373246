"""Supervisor: starts parts in order, restarts those that exit with back-off, stops all in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pumpwatch.supervision.part_process import MAX_LINE_BYTES, Part, Running, Say, read_lines
from pumpwatch.supervision.process import REFUSED, SUPERVISED

QUICK_EXIT_S: Final = 20.0
"""A part that exits sooner than this after it was ready, or before, counts as a quick exit."""
MIN_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 60.0
"""Wait before a restart; it doubles with each quick exit in a row, up to the maximum, and goes on for ever."""
MAX_FIRST_STARTS: Final = 4
"""Tries of a part that is killed by a signal before it is ready for the first time."""
MIN_REPORTED_EXITS: Final = 2
"""So many quick exits in a row are a trouble that pages show; one alone is a restart."""
STOP_TIMEOUT_S: Final = 4.0
"""A part that reports no progress for this long while it stops is killed."""
MAX_STOP_S: Final = 30.0
"""Time for all parts together to stop, whatever progress they report."""
State = Literal["started", "ended"]
Note = Callable[[State, str, str], None]
"""Called when a part started or ended: state, part, and how it ended."""


@dataclass(frozen=True)
class Trouble:
    """A part that keeps exiting or refuses to run: what happened, and the wait before the next try (None: no try)."""

    text: str
    wait_s: float | None = None


Report = Callable[[Mapping[str, Trouble]], None]
"""Called with all parts that are in trouble, by name, whenever that changes."""


class PartError(Exception):
    """A part fails to start; the message quotes its last lines."""


@dataclass
class Supervisor:
    """Keeps `parts` running between `start` and `stop`.

    `say` logs the output of parts and supervisor, `note` is called for each part that started or ended, `report` when
    a part gets into trouble or out of it.
    """

    parts: Sequence[Part]
    say: Say
    environment: Mapping[str, str]
    note: Note = lambda _state, _part, _text: None
    report: Report = lambda _troubles: None
    running: dict[str, Running] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)

    async def start(self, stop: asyncio.Event) -> dict[str, str] | None:
        """Start each part once the previous one is ready; return their addresses, or None if `stop` was set first.

        Raises `PartError`. A part that is killed before it is ready is tried again: what killed it may be a message
        that the processor sets aside after a few ends.
        """
        addresses = {}
        for part in self.parts:
            self.say("pumpwatch", f"starting the {part.name}")
            address = await self._first_start(part, stop)
            if address is None:
                return None
            addresses[part.name] = address
            self.note("started", part.name, "")
        return addresses

    async def _first_start(self, part: Part, stop: asyncio.Event) -> str | None:
        for left in reversed(range(MAX_FIRST_STARTS)):
            running = await self._launch(part)
            try:
                return await self._await_ready(running, stop)
            except PartError as failure:
                if left == 0 or (running.process.returncode or 0) >= 0:
                    raise
                await self._sweep(running)
                self.say("pumpwatch", f"{str(failure).partition(':')[0]}; trying again")
                await asyncio.sleep(MIN_WAIT_S)
        raise AssertionError("the last try returns or raises")

    async def watch(self, stop: asyncio.Event) -> None:
        """Restart parts that exit until `stop`; one that keeps exiting or refuses to run does not end the others."""
        stopped = asyncio.ensure_future(stop.wait())
        watchers = [asyncio.ensure_future(self._keep(part, stop)) for part in self.parts]
        waiting: set[asyncio.Future[Any]] = {*watchers, stopped}
        try:
            while not stopped.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in (*watchers, stopped):
                task.cancel()
            await asyncio.gather(*watchers, stopped, return_exceptions=True)

    async def adopt(self, part: Part, stop: asyncio.Event) -> None:
        """Start one more part while the others run, and keep it running; return only if it refuses to run."""
        self.say("pumpwatch", f"starting the {part.name}")
        running = await self._launch(part)
        try:
            if await self._await_ready(running, stop) is not None:
                self.note("started", part.name, "")
        except PartError as failure:
            self.say("pumpwatch", str(failure).partition("\n")[0].rstrip(":"))
            running.process.kill() if running.process.returncode is None else None
        await self._keep(part, stop)

    async def stop(self) -> None:
        """Stop every part, in reverse order, those of a kind together: of two nodes, the second would first take over
        what the first gives back. Those that do not stop in time are killed with all their children.
        """
        latest = asyncio.get_running_loop().time() + MAX_STOP_S
        for _, kind in itertools.groupby(reversed(list(self.running.values())), lambda each: each.part.kind):
            await asyncio.gather(*(self._end(running, latest) for running in kind))
        self.running.clear()

    async def _end(self, running: Running, latest: float) -> None:
        if running.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                running.process.terminate()
            await running.stopped(STOP_TIMEOUT_S, latest)
        if running.process.returncode is None:
            self.say("pumpwatch", f"{running.part.name} did not stop in time; killing it")
        await self._sweep(running)

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
        """Restart one part for ever, with back-off; return only if it refuses to run."""
        quick = 0
        while True:
            running = self.running[part.name]
            lived = await self._lived(running)
            code = await running.process.wait()
            await self._sweep(running)
            self.note("ended", part.name, _how(code))
            if code == REFUSED:
                reason = running.tail[-1] if running.tail else "it gave no reason"
                self.say("pumpwatch", f"{part.name} refuses to run and is not restarted; the other parts go on")
                self._set(part, Trouble(f"refuses to run, somebody must act and then restart Pumpwatch: {reason}"))
                return
            quick = 1 if lived else quick + 1
            await self._relaunch(part, stop, _how(code), quick)

    async def _lived(self, running: Running) -> bool:
        """Wait until a part ends, or has lived so long that all is well; return whether it has."""
        ended = asyncio.ensure_future(running.process.wait())
        try:
            await asyncio.wait({ended}, timeout=QUICK_EXIT_S)
            if ended.done() or not running.ready.done():
                return False
            self._set(running.part, None)
            return True
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)

    async def _relaunch(self, part: Part, stop: asyncio.Event, how: str, quick: int) -> None:
        """Start a part again after a pause, until it could be started; whether it becomes ready is another question."""
        while True:
            wait_s = min(MIN_WAIT_S * 2 ** min(quick - 1, 20), MAX_WAIT_S)
            text = how if quick == 1 else f"{how} {quick} times in a row"
            self.say("pumpwatch", f"{part.name} {text}; restarting in {wait_s:g} s")
            if quick >= MIN_REPORTED_EXITS:
                self._set(part, Trouble(text, wait_s))
            await asyncio.sleep(wait_s)
            try:
                running = await self._launch(part)
                break
            except PartError as failure:
                how, quick = f"could not be started ({failure})", quick + 1
        try:
            if await self._await_ready(running, stop) is not None:
                self.say("pumpwatch", f"{part.name} is running again")
                self.note("started", part.name, "again")
                if quick >= MIN_REPORTED_EXITS:
                    self._set(part, Trouble(f"{text}; it is running again"))
        except PartError as failure:
            self.say("pumpwatch", str(failure).partition("\n")[0].rstrip(":"))
            running.process.kill() if running.process.returncode is None else None

    def _set(self, part: Part, trouble: Trouble | None) -> None:
        """Report that a part is in trouble, or out of it."""
        before = dict(self.troubles)
        if trouble is None:
            self.troubles.pop(part.name, None)
        else:
            self.troubles[part.name] = trouble
        if self.troubles != before:
            self.report(self.troubles)

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
