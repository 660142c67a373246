"""This file makes durable what the pipeline gives out: samples, journal entries, refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.history import History
from broker.journal import Journal
from processor.quarantine import Quarantine

MAX_ENTRIES: Final = 200_000
"""Journal entries that may wait while the disk refuses them; about 50 MB."""


@dataclass
class Store:
    """Collects in memory and writes in one go; what could not be written is kept and tried again.

    Samples are bounded by the messages the broker lets us hold unacknowledged; of entries beyond `MAX_ENTRIES` the
    oldest are let go and counted in `entries_dropped`.
    """

    data: Path
    quarantine: Quarantine
    history_bytes: int
    rows: int = 0
    entries_dropped: int = 0
    history: History = field(init=False)
    _journal: Journal = field(init=False)
    _samples: list[pl.DataFrame] = field(default_factory=list)
    _entries: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        self.history = History(self.data, self.history_bytes)
        self._journal = Journal(self.data)

    @property
    def entries(self) -> int:
        """How many journal entries wait."""
        return 0 if self._entries is None else self._entries.height

    def put(self, samples: pl.DataFrame, entries: pl.DataFrame) -> None:
        """Take samples (`SAMPLE_SCHEMA`) and entries (`EVENTS_SCHEMA`) to be written."""
        if samples.height:
            self._samples.append(samples)
            self.rows += samples.height
        if entries.height:
            self._entries = entries if self._entries is None else pl.concat([self._entries, entries])
            self.entries_dropped += max(0, self._entries.height - MAX_ENTRIES)
            self._entries = self._entries.tail(MAX_ENTRIES)

    def write(self, now: int) -> None:
        """Make all of it durable; raises `OSError` or `sqlite3.Error` and keeps what is not. `now` is wall ms."""
        if self._samples:
            self.history.append(pl.concat(self._samples), now)
            self._samples.clear()
            self.rows = 0
        if self._entries is not None:
            self._journal.append(self._entries)
            self._entries = None
        self.quarantine.flush()

    def close(self) -> None:
        """Let go of the files."""
        self._journal.close()
