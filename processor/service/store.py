"""Store: writes samples, journal entries and rejections to the data directory; keeps what could not be written."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import history_table
from broker.store.history import History
from broker.store.journal import Journal
from broker.store.journal_chain import Head
from broker.store.unpublished import Unpublished
from processor.batch_result import BatchResult
from processor.intake.journal_recorder import JournalRecorder
from processor.service.quarantine_file import QuarantineFile

MAX_ENTRIES: Final = 200_000
"""Journal entries that may wait while the disk fails; about 50 MB."""
ENTRIES_AT_ONCE: Final = 2_000
"""Entries in one transaction of the journal, at most: a tenth of a second."""

JOURNAL_BYTES: Final = 8 * 1024**3
"""Size at which the journal is shown as full; it still grows, because nothing in it may be dropped."""

REMOVALS_INTERVAL_MS: Final = 60_000
"""How often removals from the history are recorded in the journal, if there were any: it grows for ever."""


@dataclass
class Store:
    """Collects in memory and writes in one go; what could not be written is kept and retried.

    The number of samples is limited by the messages that the broker leaves unacknowledged; of more than `MAX_ENTRIES`
    journal entries the oldest are dropped, counted in `entries_dropped`. Samples are also kept in `unpublished`, if
    there is a history table.
    """

    data: Path
    history_bytes: int
    history_days: int = 0
    unpublished: Unpublished | None = None
    entries_dropped: int = 0
    history: History = field(init=False)
    quarantine: QuarantineFile = field(init=False)
    _journal: Journal = field(init=False)
    _samples: list[pl.DataFrame] = field(default_factory=list)
    _in_hand: list[pl.DataFrame] = field(default_factory=list)
    _entries: pl.DataFrame | None = None
    _written_at: int = 0
    _removals_at: int | None = None

    def __post_init__(self) -> None:
        self.history = History(self.data, self.history_bytes, self.history_days)
        if self.unpublished is not None:
            self.history.record.before = partial(history_table.note_removed, self.data)
        self.quarantine = QuarantineFile(self.data)
        self._journal = Journal(self.data)

    @property
    def journal_moved(self) -> Path | None:
        """Where a journal that could not be read was moved."""
        return self._journal.moved

    @property
    def journal_bytes(self) -> int:
        """Size of the journal on disk."""
        return self._journal.bytes

    @property
    def head(self) -> Head:
        """End of the journal."""
        return self._journal.head

    def hash_of(self, number: int) -> bytes | None:
        """Return the hash of an entry of the journal, None if there is no such entry."""
        return self._journal.hash_of(number)

    @property
    def journal_in_place(self) -> bool:
        """Whether the journal that is written is still the one in the data directory."""
        return self._journal.in_place

    @property
    def rows(self) -> int:
        """Number of samples that wait to be written or are just being written."""
        return sum(frame.height for frame in (*self._in_hand, *self._samples))

    @property
    def entries(self) -> int:
        """Number of journal entries that wait to be written."""
        return 0 if self._entries is None else self._entries.height

    def add(self, result: BatchResult) -> None:
        """Take everything of a batch that has to be written."""
        if result.samples.height:
            self._samples.append(result.samples)
        self.add_entries(result.events)
        self.add_entries(result.entries)
        self.quarantine.add(result.rejected)

    def add_entries(self, entries: pl.DataFrame) -> None:
        """Take entries (`EVENTS_SCHEMA` or `ENTRIES_SCHEMA`) to be written to the journal."""
        if entries.height:
            waiting = entries if self._entries is None else pl.concat([self._entries, entries], how="diagonal")
            self.entries_dropped += max(0, waiting.height - MAX_ENTRIES)
            self._entries = waiting.tail(MAX_ENTRIES)

    def write(self, now: int, until: Callable[[], float] = lambda: math.inf) -> bool:
        """Make durable what was added so far; raises `OSError` or `sqlite3.Error` and keeps what is not.

        Return whether that was all: no more is begun when the monotonic clock (s) has reached `until`, and the rest is
        kept. `now` is wall ms. May run in another thread than `add`, but only one call at a time.
        """
        if time.monotonic() >= until():
            return not self.rows and not self.entries
        self._write_samples(now)
        self._written_at = now
        if self._removals_at is None or abs(now - self._removals_at) >= REMOVALS_INTERVAL_MS:
            self._record_removals(now)
        complete = self._write_entries(until)
        self.quarantine.flush()
        return complete

    def leave_to_log(self) -> None:
        """Forget the samples and the alarms' entries that wait to be written.

        Those of the message log are made again when it is taken in at the next start, and nothing is written twice.
        """
        self._samples.clear()
        self._in_hand.clear()
        if self._entries is not None:
            self._entries = self._entries.filter(pl.col("alarm").is_null())

    def _write_samples(self, now: int) -> None:
        """Write the samples that wait; those added meanwhile by another thread are left for the next call."""
        self._in_hand, self._samples = self._in_hand + self._samples, []
        if self._in_hand:
            keep = None if self.unpublished is None else self.unpublished.keep
            self.history.append(pl.concat(self._in_hand), now, keep)
            self._in_hand = []

    def _record_removals(self, now: int) -> bool:
        """Take entries of what was removed from the history since the last call; return whether there was anything."""
        recorder, removals = JournalRecorder(), self.history.record.take()
        for removed in removals:
            recorder.part("removed", "history", str(removed), now)
            self._removals_at = now
        self.add_entries(recorder.take())
        return bool(removals)

    def _write_entries(self, until: Callable[[], float] = lambda: math.inf) -> bool:
        """Write the entries that wait, some at a time: whoever asks for the end of the journal waits for a transaction.

        Return whether that was all; those added meanwhile by the other thread are left for the next call.
        """
        entries, written = self._take_entries(), 0
        if entries is None:
            return True
        try:
            while written < entries.height and (not written or time.monotonic() < until()):
                self._journal.append(entries[written : written + ENTRIES_AT_ONCE])
                written += ENTRIES_AT_ONCE
        except (OSError, sqlite3.Error):
            self._put_back(entries[written:])
            raise
        self._put_back(entries[written:])
        return written >= entries.height

    def _put_back(self, entries: pl.DataFrame) -> None:
        """Let these entries wait again, before those that were added meanwhile."""
        if entries.height:
            added, self._entries = self._take_entries(), entries
            if added is not None:
                self.add_entries(added)

    def _take_entries(self) -> pl.DataFrame | None:
        entries, self._entries = self._entries, None
        return entries

    def close(self) -> None:
        """Record the last removals, and close the journal."""
        # A disk that fails now is known: the last `write` failed as well.
        with contextlib.suppress(OSError, sqlite3.Error):
            if self._record_removals(self._written_at):
                self._write_entries()
        self._journal.close()
