"""Quarantine of rejected payloads: their number, the latest for display, and those not yet handed on for storage."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Final

from broker.store.snapshot import Refusal

MAX_SHOWN: Final = 50
"""Number of latest rejections kept for display."""
EXCERPT_BYTES: Final = 160


@dataclass
class Quarantine:
    """Counts every rejected payload and keeps the `latest`; `take` hands on those that are new."""

    count: int = 0
    latest: collections.deque[Refusal] = field(default_factory=lambda: collections.deque(maxlen=MAX_SHOWN))
    _new: list[Refusal] = field(default_factory=list)

    def add(self, topic: str, at: int, reason: str, payload: bytes = b"", count: int = 1) -> None:
        """Quarantine a payload: `at` is wall ms, `reason` one sentence for people.

        With `count`, the entry stands for as many messages, none of which is kept.
        """
        excerpt = payload[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
        rejection = Refusal(topic[:200], at, reason[:500], excerpt)
        self.count += count
        self.latest.append(rejection)
        self._new.append(rejection)

    def take(self) -> tuple[Refusal, ...]:
        """Return the rejections since the last call."""
        rejections, self._new = tuple(self._new), []
        return rejections
