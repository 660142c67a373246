"""Anchoring: writes how far the journal is among the secrets and to the log, so that a rewritten one is found."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import Final

from broker.store import journal_anchor
from broker.store.journal_chain import Head
from processor.service.anchor_webhook import Webhook
from processor.service.metering import Meter
from processor.service.store import Store

INTERVAL_S: Final = 5.0
LOG_INTERVAL_S: Final = 3600.0
PART: Final = "journal"
"""Name of the trouble that somebody altered the journal or removed its anchor; only a restart ends it."""
ANCHOR: Final = "journal anchor"
"""Name of the trouble that the disk refuses the anchor."""

log = logging.getLogger("processor")


@dataclass
class Anchoring:
    """Keeps the anchor at the end of the journal of `store`; it only moves forward, and only along the same chain.

    What is logged also goes to the `webhook`, if there is one.
    """

    store: Store
    meter: Meter
    webhook: Webhook | None = None
    _due_at: float = -math.inf
    _log_at: float = -math.inf
    _sending: asyncio.Task[None] | None = None

    async def advance(self, clock: float, *, last: bool = False) -> None:
        """Move the anchor if it is time at `clock` (monotonic, s); only the `last` sending is waited for.

        An anchor that the journal does not contain stays as it is, for `pumpwatch doctor`, and is a trouble.
        """
        if not last and clock < self._due_at:
            return
        self._due_at = clock + INTERVAL_S
        head = await asyncio.to_thread(self._move, clock, last=last)
        if head is None or self.webhook is None:
            return
        if self._sending is not None:
            self._sending.cancel()
        self._sending = asyncio.create_task(self.webhook.send(head), name="journal webhook")
        if last:
            await self._sending

    def _move(self, clock: float, *, last: bool) -> Head | None:
        """Move the anchor to the end of the journal; return that if it was logged: once an hour, and at the `last`."""
        try:
            head = self._advance()
        except OSError as error:
            self.meter.trouble(ANCHOR, f"the anchor of the journal cannot be read or written: {error}")
            return None
        self.meter.recovered(ANCHOR)
        if head is None or (not last and clock < self._log_at):
            return None
        self._log_at = clock + LOG_INTERVAL_S
        log.info("journal: entry %s has the hash %s", f"{head.entries:,}", head.hash.hex())
        return head

    def _advance(self) -> Head | None:
        """Return the head that is anchored now; None if the journal is not the one that was anchored."""
        data = self.store.data
        head, anchor = self.store.head, journal_anchor.read(data)
        if not self.store.journal_in_place:
            self.meter.trouble(
                PART, "the file of the journal was removed or replaced while the processor ran; restart it"
            )
            return None
        if anchor is None:
            self.meter.trouble(PART, f"{journal_anchor.path(data)} was missing; entries may have been cut off before")
        elif self.store.hash_of(anchor.entries) != anchor.hash:
            self.meter.trouble(PART, f"the journal does not contain entry {anchor.entries:,} as it was: it was altered")
            return None
        if head != anchor:
            journal_anchor.write(data, head)
        return head
