"""Audit entries of what visitors do on pages: what their role does not allow, and exports."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from broker.display.printable import printable
from broker.store import audit
from broker.store.journal import JournalError
from dashboard.access.accounts import Visitor
from dashboard.access.origin import ORIGIN

log = logging.getLogger("dashboard")
REPEAT_MS: Final = 60_000
"""A refusal of the same person for the same reason is recorded once in this time, with how many there were before."""
MAX_REMEMBERED: Final = 1_000
"""People and reasons whose refusals are counted; beyond it the oldest are forgotten, and recorded at the next time."""


@dataclass
class _Refusals:
    """When refusals were recorded last (wall ms), and how many there were since."""

    at: int
    since: int = 0


@dataclass
class AuditEntries:
    """Writes audit entries to the journal of a data directory, and a line to the log; `now` returns wall ms."""

    data: Path
    now: Callable[[], int]
    _refusals: dict[tuple[str, str], _Refusals] = field(default_factory=dict)

    async def denied(self, visitor: Visitor, activity: str) -> None:
        """Record that a visitor tried what the role does not allow, such as "inject faults"."""
        at, key = self.now(), (visitor.name, activity)
        known = self._refusals.get(key)
        if known is not None and 0 <= at - known.at < REPEAT_MS:
            known.since += 1
            return
        self._refusals.pop(key, None)
        while len(self._refusals) >= MAX_REMEMBERED:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[key] = _Refusals(at)
        before = f"; {known.since:,} more since the last entry" if known is not None and known.since else ""
        role = visitor.role or "nobody"
        log.warning("Refused: %s (%s) from %s may not %s", printable(visitor.name), role, ORIGIN.get(), activity)
        await self.record("denied", visitor, f"{activity}: not allowed for the role {role}{before}")

    async def record(self, kind: str, visitor: Visitor, text: str) -> bool:
        """Write an entry of one of `broker.store.audit.KINDS`; return whether that worked; else it is in the log."""
        who, origin = visitor.name or "nobody", ORIGIN.get()
        try:
            await asyncio.to_thread(audit.record, self.data, kind, who=who, origin=origin, text=text, at=self.now())
        except (JournalError, sqlite3.Error, OSError) as error:
            problem = str(error)
        else:
            return True
        log.error("Not in the audit trail (%s): %s by %s from %s: %s", problem, kind, printable(who), origin, text)
        return False
