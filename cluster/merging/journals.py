"""Journals of all ranges read as one: their entries are copied into the journal of the cluster's data directory.

Readers need no change: they read one journal, with one chain. The journal of a range stays what it is, with a chain of
its own. An entry that is copied again is stored once, so nothing depends on where the last merger ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.store import durable_write, journal_anchor, journal_query
from broker.store.journal import Journal
from broker.store.journal_file import FILE
from cluster import layout

BATCH: Final = 2_000
"""Entries copied from a range in one step; the others follow in the next ones."""
POSITIONS: Final = "journals.json"
"""How far the journal of each range is copied; in the directory of the ranges."""


class Position(msgspec.Struct, frozen=True):
    """The last entry copied from a range: in the journal of which epoch, its number and its hash."""

    epoch: int = 0
    entry: int = 0
    hash: str = ""


@dataclass
class Journals:
    """Copies the journals of ranges. `copied` counts entries, `again` how often one was read from the beginning."""

    data: Path
    ranges: int
    copied: int = 0
    again: int = 0
    _positions: dict[int, Position] = field(default_factory=dict)
    _stamps: dict[int, object] = field(default_factory=dict)
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self._positions = _read(self._file)
        self._journal = Journal(self.data, move_unreadable=False)

    def step(self) -> int:
        """Copy what is new in any range, at most `BATCH` entries of each; return how many are new.

        Raises `OSError` or `sqlite3.Error`; then it may be tried again.
        """
        before, copied = dict(self._positions), 0
        for number in range(layout.check_ranges(self.ranges)):
            copied += self._copy(number)
        if copied:
            journal_anchor.write(self.data, self._journal.head)
        if self._positions != before:
            content = msgspec.json.encode(self._positions)
            durable_write.replace(self._file, lambda aside: aside.write_bytes(content))
        self.copied += copied
        return copied

    def append(self, entries: pl.DataFrame) -> None:
        """Write entries of the merger's own; raises like `step`."""
        self._journal.append(entries)

    def close(self) -> None:
        """Close the journal of the cluster."""
        self._journal.close()

    @property
    def _file(self) -> Path:
        return self.data / layout.DIRECTORY / POSITIONS

    def _copy(self, number: int) -> int:
        epochs = layout.epochs(self.data, number)
        if not epochs:
            return 0
        directory = layout.epoch_directory(self.data, number, epochs[-1])
        stamp = epochs[-1], *(_stamp(directory / f"{FILE}{ending}") for ending in ("", "-wal"))
        if stamp == self._stamps.get(number):
            return 0
        position = self._continued(number, directory, epochs[-1])
        entries, hashes = journal_query.following(directory, position.entry, BATCH)
        if layout.epochs(self.data, number)[-1] != epochs[-1]:
            # Taken over meanwhile: some of these may be what a former owner wrote too late, which is in no copy.
            return 0
        added = 0
        if entries.height:
            added = self._journal.append(_named(entries, hashes, number).drop("id").filter(_of_interest(number)))
            position = Position(epochs[-1], int(entries["id"][-1]), hashes[-1].hex())
        self._positions[number] = position
        if entries.height < BATCH:
            self._stamps[number] = stamp
        return added

    def _continued(self, number: int, directory: Path, epoch: int) -> Position:
        """Return where to go on in the journal of an epoch: a successor's has what was durable of its predecessor's.

        If a former owner wrote on after that, its last entries are not there, and others have their numbers: then the
        journal is read from the beginning.
        """
        known = self._positions.get(number, Position())
        if known.epoch == epoch or known.entry == 0:
            return msgspec.structs.replace(known, epoch=epoch)
        found = journal_query.hash_of(directory, known.entry)
        if found is not None and found.hex() == known.hash:
            return msgspec.structs.replace(known, epoch=epoch)
        self.again += 1
        return Position(epoch)


def _named(entries: pl.DataFrame, hashes: list[bytes], number: int) -> pl.DataFrame:
    """Return entries with what tells them from those of other ranges.

    The same occurrence, such as a finding about the fleet, may be in the journals of several ranges and is one entry.
    """
    name = f"range {number:02d}"
    own = pl.Series("own", [f"{name}/{each.hex()[:32]}" for each in hashes], pl.String)
    of_part = pl.col("once").is_null() & pl.col("alarm").is_null() & pl.col("who").is_null()
    return entries.with_columns(
        pl.when(of_part).then(pl.col("origin").fill_null(name)).otherwise("origin").alias("origin"),
        pl.coalesce("once", own).alias("once"),
    )


def _of_interest(number: int) -> pl.Expr:
    """Return which entries of a range are for the journal of the cluster.

    All ranges have the alarm about the whole fleet, each on its own clock; the first one records it for all.
    """
    by_person = pl.col("who").is_not_null()
    return pl.lit(number == 0) | by_person | (pl.col("subject_kind").fill_null("") != "fleet")


def _read(path: Path) -> dict[int, Position]:
    """Return the positions of a file; without one, or if it is damaged, the journals are read from the beginning."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[int, Position])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
