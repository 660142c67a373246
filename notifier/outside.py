"""What lies outside the data directory: whether the dashboard answers, and the heartbeat to another machine."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from broker.contract.notification_routes import Watchdog
from notifier.senders import SendError, request

ANSWER_S: Final = 3.0
HEARTBEAT_S: Final = 10.0
PORTS: Final = {"http": 80, "https": 443}


async def answers(address: str) -> bool | None:
    """Return whether something listens at the address of the dashboard; None if there is no address."""
    parts = urlsplit(address)
    port = parts.port or PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        return None
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@dataclass
class Heartbeat:
    """Heartbeats while all is well; the receiver raises the alarm when they stay away.

    `accepted_at` is when the last one was accepted (wall ms), `problem` why the last one was not.
    """

    accepted_at: int | None = None
    problem: str = ""
    _due_at: int = 0
    _task: asyncio.Task[None] | None = None

    def beat(self, config: Watchdog, now: int, *, well: bool) -> None:
        """Send a heartbeat if it is due at `now` (wall ms) and all is `well`; it is not waited for."""
        interval_ms = round(1000 * config.interval_s)
        if not config.url or not well or (now < self._due_at <= now + interval_ms):
            return
        if self._task is not None and not self._task.done():
            return
        self._due_at = now + interval_ms
        self._task = asyncio.create_task(self._send(config.url, now), name="heartbeat")

    async def close(self) -> None:
        """Give up a heartbeat that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self, url: str, now: int) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await request("GET", url)
        except TimeoutError:
            self.problem = f"no answer within {HEARTBEAT_S:g} s"
        except SendError as error:
            self.problem = str(error)
        else:
            self.accepted_at, self.problem = now, ""
