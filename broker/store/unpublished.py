"""Samples that wait for the history table: hard links to segments of the history, in the order in which they came."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import durable_write, segments

DIRECTORY: Final = "unpublished"
MIN_BYTES: Final = 16 * 1024**2
SHARE: Final = 4
"""What waits may take a quarter of the limit for samples on disk."""


@dataclass
class Unpublished:
    """The samples of the processor of the directory `data` that are not in the history table yet.

    The oldest are dropped above `max_bytes` and counted in `dropped` (samples); they stay in the history on disk.
    """

    data: Path
    max_bytes: int
    dropped: int = 0
    bytes: int = 0
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        waiting = self.waiting()
        self.bytes = sum(path.stat().st_size for path in waiting)
        self._next = int(waiting[-1].stem) + 1 if waiting else 0

    @property
    def _root(self) -> Path:
        return self.data / DIRECTORY

    def keep(self, segment: Path) -> None:
        """Keep a segment that was just written. Raises `OSError`."""
        self._root.mkdir(exist_ok=True, mode=0o700)
        place = self._root / f"{self._next:012d}.parquet"
        os.link(segment, place)
        self._next += 1
        durable_write.sync(self._root)
        with self._lock:
            self.bytes += place.stat().st_size

    def waiting(self, rows: int | None = None) -> list[Path]:
        """Return the files that wait, oldest first; with `rows`, only the first with about that many samples."""
        found: list[Path] = []
        # A directory that is not there yet has no files.
        with contextlib.suppress(FileNotFoundError):
            found = sorted(path for path in self._root.iterdir() if path.suffix == ".parquet")
        if rows is None:
            return found
        chosen: list[Path] = []
        for path in found:
            chosen.append(path)
            rows -= segments.count([path])
            if rows <= 0:
                break
        return chosen

    def forget(self, files: list[Path]) -> None:
        """Forget files: they are published."""
        for path in files:
            # The processor that failed before this one may still be at its last commit.
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                path.unlink()
                with self._lock:
                    self.bytes -= size

    def limit(self) -> int:
        """Drop the oldest samples until what waits is within its limit; return how many."""
        before = self.dropped
        for path in self.waiting():
            if self.bytes <= self.max_bytes:
                break
            self.dropped += segments.count([path])
            self.forget([path])
        return self.dropped - before


def samples(files: list[Path]) -> pl.DataFrame:
    """Return the samples of files that wait, each once, sorted by pump and time."""
    return segments.once(segments.scan(files).collect(engine="in-memory"))
