"""Worker: one service of a node in a thread with an event loop of its own, so that none of them holds up the leases."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Work = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set."""


@dataclass(eq=False)
class Worker:
    """A service in a thread; `error` is why it ended, None if it was asked to. `start` before anything else."""

    name: str
    work: Work
    error: BaseException | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        """Start the thread; it does not keep the process alive."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask the service to end; it may take a while."""
        # A loop that is closed has ended already.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        # A thread has nobody else to tell; a panic of Polars is no `Exception`.
        except BaseException as error:  # noqa: BLE001
            self.error = error

    async def _main(self) -> None:
        await self.work(self._stop)
