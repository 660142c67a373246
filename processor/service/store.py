"""This file makes durable what the pipeline gives out: samples, journal entries, refusals."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.signals import empty_samples
from broker.store.history import History
from broker.store.journal import Head, Journal
from processor.intake.quarantine import Quarantine

MAX_ENTRIES: Final = 200_000
"""Journal entries that may wait while the disk refuses them; about 50 MB."""

JOURNAL_BYTES: Final = 8 * 1024**3
"""Beyond it the journal is shown as full; it is written on all the same, as nothing in it may go."""


@dataclass
class Store:
    """Collects in memory and writes in one go; what could not be written is kept and tried again.

    Samples are bounded by the messages the broker lets us hold unacknowledged; of entries beyond `MAX_ENTRIES` the
    oldest are let go and counted in `entries_dropped`.
    """

    data: Path
    quarantine: Quarantine
    history_bytes: int
    history_days: int = 0
    rows: int = 0
    entries_dropped: int = 0
    history: History = field(init=False)
    _journal: Journal = field(init=False)
    _samples: list[pl.DataFrame] = field(default_factory=list)
    _entries: pl.DataFrame | None = None

    def __post_init__(self) -> None:
        self.history = History(self.data, self.history_bytes, self.history_days)
        self._journal = Journal(self.data)

    @property
    def journal_moved(self) -> Path | None:
        """Where a journal that could not be read was put."""
        return self._journal.moved

    @property
    def journal_bytes(self) -> int:
        """How much of the disk the journal takes."""
        return self._journal.bytes

    @property
    def head(self) -> Head:
        """Where the journal ends."""
        return self._journal.head

    @property
    def entries(self) -> int:
        """How many journal entries wait."""
        return 0 if self._entries is None else self._entries.height

    def put(self, samples: pl.DataFrame, entries: pl.DataFrame) -> None:
        """Take samples (`SAMPLE_SCHEMA`) and entries (`EVENTS_SCHEMA` or `ENTRIES_SCHEMA`) to be written."""
        if samples.height:
            self._samples.append(samples)
            self.rows += samples.height
        if entries.height:
            waiting = entries if self._entries is None else pl.concat([self._entries, entries], how="diagonal")
            self.entries_dropped += max(0, waiting.height - MAX_ENTRIES)
            self._entries = waiting.tail(MAX_ENTRIES)

    def write(self, now: int) -> None:
        """Make all of it durable; raises `OSError` or `sqlite3.Error` and keeps what is not. `now` is wall ms."""
        if self._samples:
            self.history.append(pl.concat(self._samples), now)
            self._samples.clear()
            self.rows = 0
        self._write_entries()
        self.quarantine.flush()

    def _write_entries(self) -> None:
        """Write what waits; what comes meanwhile, from the other thread, is for the next time."""
        entries = self._take_entries()
        if entries is None:
            return
        try:
            self._journal.append(entries)
        except (OSError, sqlite3.Error):
            late, self._entries = self._take_entries(), entries
            if late is not None:
                self.put(empty_samples(), late)
            raise

    def _take_entries(self) -> pl.DataFrame | None:
        entries, self._entries = self._entries, None
        return entries

    def close(self) -> None:
        """Let go of the files."""
        self._journal.close()
