"""Audit trail of the dashboard: sign-ins, changes of access, what roles do not allow, and exports.

Entries are queued, and written to the journal beside the requests, in order.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from broker.display.printable import printable
from broker.store import audit
from broker.store.journal import JournalError
from dashboard.access.accounts import Visitor
from dashboard.access.origin import ORIGIN

LOG: Final = logging.getLogger("dashboard")
MAX_WAITING: Final = 1_000
MAX_WINDOWS: Final = 1_000
"""Limits whose refusals are counted by themselves; those of more are counted together."""
DENIED_WINDOW_S: Final = 60.0
"""What a role does not allow is recorded at once; the same of the same person within this time is counted."""
MAX_TEXT: Final = 300
OTHERS: Final = "others"


@dataclass
class _Window:
    """Refused attempts of one limit until it ends, or those after the one that was recorded at once (`before`)."""

    count: int
    who: str
    origin: str
    kind: str
    text: str
    before: bool = field(default=False)


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

    def refused(
        self, window: str, wait_s: float, *, who: str, origin: str, kind: str = "locked_out", text: str = ""
    ) -> None:
        """Count what was refused; when its time is over, one entry tells how many there were.

        The entry says `text`, or the name of the window.
        """
        if window not in self._windows and len(self._windows) >= MAX_WINDOWS:
            window = OTHERS
        found = self._windows.get(window)
        if found is None:
            found = self._windows[window] = _Window(0, who, origin, kind, text[:MAX_TEXT] or window)
            asyncio.get_running_loop().call_later(wait_s, self._report, window)
        found.count += 1

    def deny(self, visitor: Visitor, activity: str) -> None:
        """Record that a visitor asked for what the role does not allow, such as "inject faults", also in the log.

        The first is an entry at once; the same within `DENIED_WINDOW_S` are counted, and one entry then tells how many.
        """
        window = f"denied {visitor.name}: {activity}"
        if window in self._windows:
            self._windows[window].count += 1
            return
        who, origin, role = visitor.name or "nobody", ORIGIN.get(), visitor.role or "nobody"
        if len(self._windows) >= MAX_WINDOWS:
            self.refused(OTHERS, DENIED_WINDOW_S, who=who, origin=origin, kind="denied", text="what roles do not allow")
            return
        text = f"{activity}: not allowed for the role {role}"
        self._windows[window] = _Window(0, who, origin, "denied", text, before=True)
        asyncio.get_running_loop().call_later(DENIED_WINDOW_S, self._report, window)
        LOG.warning("Refused: %s (%s) from %s may not %s", printable(who), role, origin, printable(activity))
        self.put("denied", who=who, origin=origin, text=text)

    async def denied(self, visitor: Visitor, activity: str) -> None:
        """Record what `deny` does, and wait until it is in the journal."""
        self.deny(visitor, activity)
        await self._written()

    async def record(self, kind: str, visitor: Visitor, text: str) -> bool:
        """Write an entry about a visitor now; return whether that worked. What cannot be recorded is not to be done."""
        who, origin = printable(visitor.name or "nobody"), ORIGIN.get()
        return await asyncio.to_thread(self._record, (kind, who, origin, text, self._now()))

    async def drain(self) -> None:
        """Write everything, with the counts of limits that have not ended yet."""
        for window in list(self._windows):
            self._report(window)
        await self._written()

    async def _written(self) -> None:
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    def _report(self, window: str) -> None:
        found = self._windows.pop(window, None)
        if found is not None and found.before:
            if found.count:
                text = f"{found.text}; {found.count:,} more within {DENIED_WINDOW_S:.0f} s"
                self.put(found.kind, who=found.who, origin=found.origin, text=text)
        elif found is not None:
            text = f"{found.text} refused: {found.count:,} attempt{'s' * (found.count != 1)}"
            self.put(found.kind, who=found.who, origin=found.origin, text=text)

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.to_thread(self._record, self._waiting.popleft())

    def _record(self, entry: tuple[str, str, str, str, int]) -> bool:
        kind, who, origin, text, at = entry
        try:
            audit.record(self._data, kind, who=who, origin=origin, text=text, at=at)
        except (JournalError, sqlite3.Error, OSError) as error:
            _log(entry, str(error))
            return False
        return True


def _log(entry: tuple[str, str, str, str, int], why: str) -> None:
    kind, who, origin, text, _ = entry
    LOG.error("Not in the audit trail (%s): %s by %s from %s: %s", why, kind, who, origin, text)
