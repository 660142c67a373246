"""State of the journal's chain for the page Audit: checked in a thread, a part at a time, and not for each request."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from broker.store.journal_verification import Verification, anchored

PAUSE_MS: Final = 5_000
"""Time between two checks."""
AGAIN_MS: Final = 3_600_000
"""Time after which the whole chain is checked again: entries that were checked may be altered later."""
STEP: Final = 20_000
"""Entries checked at once; they take about half a second."""


@dataclass(frozen=True)
class ChainState:
    """The chain was checked up to an entry at a time (wall ms, None before the first check), unless there is a
    `problem`; `complete` says whether that was the end.
    """

    entries: int = 0
    at: int | None = None
    complete: bool = False
    problem: str = ""


@dataclass
class AuditChain:
    """Checks the chain of a data directory's journal as long as somebody looks; `now` returns wall ms."""

    data: Path
    now: Callable[[], int]
    state: ChainState = field(default_factory=ChainState)
    _verification: Verification | None = None
    _began: int = 0
    _checking: asyncio.Task[None] | None = None

    def look(self) -> ChainState:
        """Return the latest state, and begin the next check if it is due."""
        due = self.state.at is None or not self.state.complete or abs(self.now() - self.state.at) >= PAUSE_MS
        if due and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._check(), name="journal chain")
        return self.state

    async def finished(self) -> ChainState:
        """Wait for the check that runs, if one does; return the state."""
        if self._checking is not None:
            await self._checking
        return self.state

    async def _check(self) -> None:
        now = self.now()
        if self._verification is None or abs(now - self._began) >= AGAIN_MS:
            self._verification, self._began = Verification(self.data), now
        verification = self._verification
        before = verification.head.entries
        try:
            anchor = await asyncio.to_thread(anchored, self.data)
            await asyncio.to_thread(verification.advance, anchor, limit=STEP)
        except (OSError, sqlite3.Error) as error:
            self.state = ChainState(before, now, complete=True, problem=str(error))
            return
        entries = verification.head.entries
        self.state = ChainState(entries, now, complete=entries - before < STEP, problem=verification.broken or "")
