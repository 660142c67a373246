"""Quarantine of rejected payloads: their number, the latest for display, and those not yet handed on for storage."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Final, Literal

from broker.store.snapshot import Refusal

MAX_SHOWN: Final = 50
"""Number of latest rejections kept for display."""
EXCERPT_BYTES: Final = 160
Kind = Literal["malformed", "invalid", "forged", "claimed", "too many", "over rate", "implausible time", "unforeseen"]
"""Why a payload is rejected, in a few words of ours; the reason says more."""


@dataclass
class Quarantine:
    """Counts every rejected payload and keeps the `latest`; `take` hands on those that are new.

    `by_kind` counts since the start of the process.
    """

    count: int = 0
    by_kind: collections.Counter[Kind] = field(default_factory=collections.Counter)
    latest: collections.deque[Refusal] = field(default_factory=lambda: collections.deque(maxlen=MAX_SHOWN))
    _new: list[Refusal] = field(default_factory=list)

    def add(  # noqa: PLR0917  # what is known of a message
        self, topic: str, at: int, reason: str, payload: bytes = b"", count: int = 1, kind: Kind = "malformed"
    ) -> None:
        """Quarantine a payload: `at` is wall ms, `reason` one sentence for people.

        With `count`, the entry stands for as many messages, none of which is kept.
        """
        excerpt = payload[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
        rejection = Refusal(topic[:200], at, reason[:500], excerpt)
        self.count += count
        self.by_kind[kind] += count
        self.latest.append(rejection)
        self._new.append(rejection)

    def take(self) -> tuple[Refusal, ...]:
        """Return the rejections since the last call."""
        rejections, self._new = tuple(self._new), []
        return rejections
