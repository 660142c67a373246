"""Anchoring: writes how far the journal is among the secrets and to the log, so that a rewritten one is found."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Final

from broker.store import journal_anchor
from broker.store.journal_chain import Head
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
    """Keeps the anchor at the end of the journal of `store`; it only moves forward, and only along the same chain."""

    store: Store
    meter: Meter
    _due_at: float = -math.inf
    _log_at: float = -math.inf

    def is_due(self, clock: float) -> bool:
        """Return whether it is time to write the anchor again; `clock` is monotonic, in s."""
        return clock >= self._due_at

    def advance(self, clock: float, *, last: bool = False) -> Head | None:
        """Move the anchor to the end of the journal; log it once an hour, and if this is the `last` time.

        Returns the end if it was logged, so that it can be sent elsewhere too.

        An anchor that the journal does not contain stays as it is, for `pumpwatch doctor`, and is a trouble. May run in
        another thread.
        """
        self._due_at = clock + INTERVAL_S
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
        if anchor is None:
            self.meter.trouble(PART, f"{journal_anchor.path(data)} was missing; entries may have been cut off before")
        elif self.store.hash_of(anchor.entries) != anchor.hash:
            self.meter.trouble(PART, f"the journal does not contain entry {anchor.entries:,} as it was: it was altered")
            return None
        if head != anchor:
            journal_anchor.write(data, head)
        return head
