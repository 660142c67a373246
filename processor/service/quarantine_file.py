"""Quarantine file: rejected payloads with topic, time and reason, in a file of bounded size."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from broker.store.snapshot import Refusal

FILE: Final = "quarantine.jsonl"
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_UNWRITTEN: Final = 10_000
"""Rejections that may wait while the disk fails; beyond it the oldest go, counted in `unwritten_dropped`."""


@dataclass
class QuarantineFile:
    """Appends rejections to a file in the directory `data`; at `max_bytes` it is rotated, and the one before goes."""

    data: Path
    max_bytes: int = MAX_BYTES
    rotations: int = 0
    unwritten_dropped: int = 0
    _unwritten: collections.deque[Refusal] = field(default_factory=collections.deque)

    def add(self, rejections: Iterable[Refusal]) -> None:
        """Take rejections to be written by the next `flush`."""
        self._unwritten.extend(rejections)
        while len(self._unwritten) > MAX_UNWRITTEN:
            self._unwritten.popleft()
            self.unwritten_dropped += 1

    @property
    def unwritten(self) -> int:
        """Number of rejections that wait to be written."""
        return len(self._unwritten)

    @property
    def bytes(self) -> int:
        """Size of the current file."""
        path = self.data / FILE
        return path.stat().st_size if path.exists() else 0

    def flush(self) -> None:
        """Write the rejections that wait; raises `OSError` and keeps them. A full file is rotated."""
        if not self._unwritten:
            return
        path = self.data / FILE
        self.data.mkdir(parents=True, exist_ok=True)
        # Meanwhile another thread may add some, and drop the oldest.
        rejections = list(self._unwritten)
        with path.open("ab") as file:
            file.writelines(msgspec.json.encode(rejection) + b"\n" for rejection in rejections)
        for rejection in rejections:
            if self._unwritten and self._unwritten[0] is rejection:
                self._unwritten.popleft()
        if self.bytes > self.max_bytes:
            path.replace(path.with_suffix(".old.jsonl"))
            self.rotations += 1
