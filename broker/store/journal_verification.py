"""Check of the journal's chain: every entry is what was written, none is missing, and it reaches as far as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from broker.store import journal_anchor, journal_chain, journal_seal
from broker.store.journal_chain import KEYED, Head
from broker.store.journal_query import reading, selected
from broker.store.journal_seal import COLUMNS, Seal


@dataclass
class Verification:
    """The chain of a data directory's journal, checked up to `head`; `broken` says where it is not what was written.

    `seal` is that of entries that were restored without their key: they are compared with what was restored.
    """

    data: Path
    head: Head = field(default_factory=Head)
    broken: str | None = None
    seal: Seal | None = None
    _format: int = 0
    _sealed: Any = field(default_factory=sha256)

    def advance(self, *expected: Head | None, limit: int = -1) -> None:
        """Check what was appended since the last call, and that the chain contains the `expected` heads.

        At most `limit` entries are checked, -1 for all; then the next call goes on. Raises `OSError` or `sqlite3.Error`
        if key or journal cannot be read.
        """
        if self.broken is not None:
            return
        key = journal_chain.read_key(self.data)
        self.seal = journal_seal.read(self.data)
        with reading(self.data) as (connection, found):
            if connection is not None:
                # One view of the journal: meanwhile others append.
                connection.execute("BEGIN")
                text = f"SELECT {selected(COLUMNS, found)} FROM entry WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
                rows = map(dict, connection.execute(text, (self.head.entries, limit)))
                self.broken = self._changed(connection) or self._first_wrong(rows, key)
            if self.broken is None:
                heads = [head for head in expected if head is not None]
                self.broken = next(filter(None, (_without(connection, head) for head in heads)), None)

    def _changed(self, connection: sqlite3.Connection) -> str | None:
        """Say whether the entry where the last check ended is still there."""
        if _hash_of(connection, self.head.entries) != self.head.hash:
            return f"entry {self.head.entries} was changed or removed after it had been verified"
        return None

    def _first_wrong(self, rows: Iterable[dict[str, Any]], key: bytes | None) -> str | None:
        for row in rows:
            number, format_ = row["id"], row["format"]
            what = f"entry {number} ({row['kind']})"
            if number != self.head.entries + 1:
                return f"entry {self.head.entries + 1} is missing; the next is {number}"
            if format_ < self._format:
                return f"{what} has an older format than the one before: Pumpwatch did not write it"
            if self.seal is not None and number <= self.seal.entries:
                if problem := self._differs(row, self.seal):
                    return problem
            elif format_ >= KEYED and key is None:
                return f"{what} cannot be verified: its key {journal_chain.key_path(self.data)} is missing; restore it"
            elif not journal_chain.is_intact(self.head.hash, row, key or b""):
                return f"{what} is not what was written, or the one before is not"
            self.head, self._format = Head(number, bytes(row["hash"])), format_
        return None

    def _differs(self, row: dict[str, Any], seal: Seal) -> str | None:
        """Take one of the restored entries; at the last of them, say if they are not those that were restored."""
        self._sealed.update(journal_seal.content(row))
        if row["id"] == seal.entries and self._sealed.hexdigest() != seal.digest:
            return f"one of the first {seal.entries:,} entries is not what was restored from the backup"
        return None


def _without(connection: sqlite3.Connection | None, expected: Head) -> str | None:
    """Say how the chain differs from one that contains this head; None if it contains it."""
    end = 0
    if connection is not None:
        end = int(connection.execute("SELECT coalesce(max(id), 0) FROM entry").fetchone()[0])
    if end < expected.entries:
        return f"it ends at entry {end}, but there were {expected.entries}: its end was cut off"
    if connection is not None and _hash_of(connection, expected.entries) != expected.hash:
        return f"entry {expected.entries} is not the one that the processor wrote; the chain was rewritten"
    return None


def verify(data: Path, *expected: Head | None) -> tuple[int, str | None]:
    """Check the whole chain; return the number of entries and, if it is broken, a sentence that says where.

    `expected` is where the chain is known to have ended before: a journal that ends earlier was cut off. Raises
    `OSError` or `sqlite3.Error`.
    """
    verification = Verification(data)
    verification.advance(*expected)
    return verification.head.entries, verification.broken


def anchored(data: Path) -> Head | None:
    """Return how far the journal was as its anchor says; None if no key was made yet, as before a migration.

    Raises `OSError` if the anchor is missing although there is a key, or cannot be read.
    """
    anchor = journal_anchor.read(data)
    if anchor is None and journal_chain.read_key(data) is not None:
        raise OSError(
            f"{journal_anchor.path(data)} is missing, so nobody knows how far the journal was: it may have been cut off"
        )
    return anchor


def by_processor(data: Path) -> bool:
    """Return whether the processor wrote any of the entries: all others are by somebody. Raises `sqlite3.Error`."""
    with reading(data) as (connection, _):
        found = None if connection is None else connection.execute("SELECT 1 FROM entry WHERE who IS NULL LIMIT 1")
        return found is not None and found.fetchone() is not None


def _hash_of(connection: sqlite3.Connection, number: int) -> bytes | None:
    if number == 0:
        return Head().hash
    found = connection.execute("SELECT hash FROM entry WHERE id = ?", (number,)).fetchone()
    return None if found is None else bytes(found[0])
