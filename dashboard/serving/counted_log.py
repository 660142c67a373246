"""Log of what clients cause: one line a minute for each kind at most, and how many there were."""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable
from typing import Final

LOG: Final = logging.getLogger("dashboard")
INTERVAL_S: Final = 60.0


class CountedLog:
    """Counts events by kind in `counts`, and logs the first of a kind, then one line a minute at most."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in s."""
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        self.counts: collections.Counter[str] = collections.Counter()

    def note(self, kind: str, text: str) -> None:
        """Count an event; `kind` is one of a few names of ours, `text` describes this one."""
        self.counts[kind] += 1
        now, count = self._clock(), self.counts[kind]
        at, before = self._logged.get(kind, (-INTERVAL_S, 0))
        if now - at >= INTERVAL_S:
            self._logged[kind] = (now, count)
            more = f" ({count - before:,} since the last such line)" if count - before > 1 else ""
            LOG.warning("%s%s", text, more)


class RareRecords(logging.Filter):
    """Passes each message of the server once a minute at most: a client must not fill the log."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in s."""
        super().__init__()
        self._clock = clock
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged; the templates of its messages are few."""
        now = self._clock()
        if now - self._passed.get(str(record.msg), -INTERVAL_S) < INTERVAL_S:
            return False
        self._passed[str(record.msg)] = now
        return True
