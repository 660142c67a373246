"""Audit trail of the dashboard: entries are queued, and written to the journal beside the requests, in order."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.display.printable import printable
from broker.store import audit
from broker.store.journal import JournalError

LOG: Final = logging.getLogger("dashboard")
MAX_WAITING: Final = 1_000
MAX_WINDOWS: Final = 1_000
MAX_TEXT: Final = 300
OTHERS: Final = "others"


@dataclass
class _Window:
    """Refused attempts of one limit until it ends."""

    count: int
    who: str
    origin: str
    kind: str


class AuditTrail:
    """Writes audit entries without delaying whoever causes them; what cannot be written is in the log."""

    def __init__(self, data: Path, now: Callable[[], int]) -> None:
        """Write to the journal of a data directory; `now` returns wall ms."""
        self._data, self._now = data, now
        self._waiting: deque[tuple[str, str, str, str, int]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._windows: dict[str, _Window] = {}
        self.dropped = 0

    def put(self, kind: str, *, who: str, origin: str, text: str) -> None:
        """Queue an entry of one of `broker.store.audit.KINDS`; beyond `MAX_WAITING` it goes to the log alone."""
        entry = (kind, printable(who[:MAX_TEXT]), printable(origin[:MAX_TEXT]), printable(text[:MAX_TEXT]), self._now())
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            _log(entry, f"{MAX_WAITING} entries are waiting to be written, {self.dropped} could not wait")
            return
        self._waiting.append(entry)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="audit trail")

    def refused(self, window: str, wait_s: float, *, who: str, origin: str, kind: str = "locked_out") -> None:
        """Count what was refused; when its time is over, one entry tells how many there were."""
        if window not in self._windows and len(self._windows) >= MAX_WINDOWS:
            window = OTHERS
        found = self._windows.get(window)
        if found is None:
            found = self._windows[window] = _Window(0, who, origin, kind)
            asyncio.get_running_loop().call_later(wait_s, self._report, window)
        found.count += 1

    async def drain(self) -> None:
        """Write everything, with the counts of limits that have not ended yet."""
        for window in list(self._windows):
            self._report(window)
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    def _report(self, window: str) -> None:
        found = self._windows.pop(window, None)
        if found is not None:
            text = f"{window} refused: {found.count:,} attempt{'s' * (found.count != 1)}"
            self.put(found.kind, who=found.who, origin=found.origin, text=text)

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.to_thread(self._record, self._waiting.popleft())

    def _record(self, entry: tuple[str, str, str, str, int]) -> None:
        kind, who, origin, text, at = entry
        try:
            audit.record(self._data, kind, who=who, origin=origin, text=text, at=at)
        except (JournalError, sqlite3.Error, OSError) as error:
            _log(entry, str(error))


def _log(entry: tuple[str, str, str, str, int], why: str) -> None:
    kind, who, origin, text, _ = entry
    LOG.error("Not in the audit trail (%s): %s by %s from %s: %s", why, kind, who, origin, text)
