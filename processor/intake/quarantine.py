"""This file keeps what was refused, with its topic, time and reason: some in sight, more in a bounded file."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from broker.store.snapshot import Refusal

FILE: Final = "quarantine.jsonl"
IN_SIGHT: Final = 50
EXCERPT_BYTES: Final = 160
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_UNWRITTEN: Final = 10_000
"""So many refusals wait while the disk refuses them; of more the oldest go, counted in `unwritten_dropped`."""


@dataclass
class Quarantine:
    """Counts all refusals, keeps the latest `IN_SIGHT`, and the last one or two files of `max_bytes`."""

    data: Path
    max_bytes: int = MAX_BYTES
    count: int = 0
    turned_over: int = 0
    latest: collections.deque[Refusal] = field(default_factory=lambda: collections.deque(maxlen=IN_SIGHT))
    unwritten_dropped: int = 0
    _unwritten: collections.deque[Refusal] = field(default_factory=lambda: collections.deque(maxlen=MAX_UNWRITTEN))

    def put(self, topic: str, at: int, reason: str, payload: bytes = b"") -> None:
        """Refuse something: `at` is wall ms, `reason` one sentence for people."""
        excerpt = payload[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
        refusal = Refusal(topic[:200], at, reason[:500], excerpt)
        self.count += 1
        self.latest.append(refusal)
        self.unwritten_dropped += len(self._unwritten) == MAX_UNWRITTEN
        self._unwritten.append(refusal)

    @property
    def unwritten(self) -> int:
        """How many refusals wait to be written."""
        return len(self._unwritten)

    @property
    def bytes(self) -> int:
        """How large the present file is."""
        path = self.data / FILE
        return path.stat().st_size if path.exists() else 0

    def flush(self) -> None:
        """Write what came since the last time; when the file is full it becomes the old one and the older goes."""
        if not self._unwritten:
            return
        path = self.data / FILE
        self.data.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(msgspec.json.encode(refusal) + b"\n" for refusal in self._unwritten)
        self._unwritten.clear()
        if self.bytes > self.max_bytes:
            path.replace(path.with_suffix(".old.jsonl"))
            self.turned_over += 1
