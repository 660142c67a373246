"""Occurrences of alarms from the journal: raised, acknowledged by whom and after how long, shelved, returned."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import alarm_entries
from broker.store.journal_file import FILE

MAX_ENTRIES: Final = 500_000
"""Newest journal entries of alarms that are looked at; a page says from when on if there are more."""
SCHEMA: Final[dict[str, pl.DataType]] = {
    "raised": pl.Int64(),
    "raised_id": pl.Int64(),
    "alarm": pl.String(),
    "subject": pl.String(),
    "pump": pl.String(),
    "rule": pl.String(),
    "title": pl.String(),
    "priority": pl.Int8(),
    "therapy": pl.Int64(),
    "shown": pl.Int64(),
    "cause": pl.String(),
    "acknowledged": pl.Int64(),
    "acknowledged_by": pl.String(),
    "response_ms": pl.Int64(),
    "shelved": pl.Int64(),
    "shelved_by": pl.String(),
    "returned": pl.Int64(),
    "lasted_ms": pl.Int64(),
    "out": pl.Boolean(),
    "changed": pl.Int64(),
}
"""One row each time an alarm was raised; times are wall ms but `therapy`, the therapy ms of `raised`.

`shown` is when it was first not suppressed, null if it never was, and `cause` the rule that suppressed it.
`response_ms` is from `shown` to `acknowledged`, `lasted_ms` from raised to returned in therapy time, `out` whether it
was taken out of service, `changed` when its latest entry was written. `raised` is null for the rest of an alarm that
was raised before the entries begin.
"""


def occurrences(entries: pl.DataFrame) -> pl.DataFrame:
    """Return the occurrences (`SCHEMA`) in entries (`broker.store.alarm_entries.SCHEMA`), both oldest first."""
    if entries.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    kind = pl.col("kind")
    raising, acknowledging = kind == "raised", kind == "acknowledged"
    # At the moment of raising, an alarm that its cause suppresses has an entry "held" beside that of its raising.
    held_at_once = (kind == "held") & (pl.col("time") == pl.col("time").filter(raising).first())
    grouped = (
        entries.with_columns(raising.cast(pl.UInt32).cum_sum().over("alarm").alias("nth"))
        .group_by("alarm", "nth", maintain_order=True)
        .agg(
            pl.col("at").filter(raising).first().alias("raised"),
            pl.col("id").filter(raising).first().alias("raised_id"),
            pl.col("subject", "pump", "rule", "title", "priority").first(),
            pl.col("time").filter(raising).first().alias("therapy"),
            pl.col("at").filter(kind == "released").first().alias("released"),
            pl.col("cause").filter(kind.is_in(["raised", "held"])).drop_nulls().first(),
            (held_at_once | (raising & pl.col("cause").is_not_null())).any().alias("suppressed"),
            pl.col("at").filter(acknowledging).first().alias("acknowledged"),
            pl.col("who").filter(acknowledging).first().alias("acknowledged_by"),
            pl.col("at").filter(kind == "shelved").first().alias("shelved"),
            pl.col("who").filter(kind == "shelved").first().alias("shelved_by"),
            pl.col("at").filter(kind.is_in(["returned", "cleared"])).first().alias("returned"),
            pl.col("time").filter(kind.is_in(["returned", "cleared"])).first().alias("over"),
            (kind == "out_of_service").any().alias("out"),
            pl.col("at").max().alias("changed"),
        )
    )
    shown = pl.when("suppressed").then("released").otherwise("raised")
    return grouped.with_columns(
        shown.alias("shown"),
        (pl.col("acknowledged") - shown).clip(0).alias("response_ms"),
        (pl.col("over") - pl.col("therapy")).clip(0).alias("lasted_ms"),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


@dataclass(frozen=True)
class Known:
    """Occurrences (`SCHEMA`) up to the last entry that was read; `complete` if all entries of the journal were."""

    entries: pl.DataFrame
    found: pl.DataFrame
    complete: bool

    @property
    def since(self) -> int | None:
        """Wall ms of the first entry that was read."""
        return None if self.entries.is_empty() else int(self.entries["at"][0])


NOTHING: Final = Known(pl.DataFrame(schema=alarm_entries.SCHEMA), pl.DataFrame(schema=SCHEMA), complete=True)


class Occurrences:
    """The occurrences of alarms in a journal, shared by all viewers; each call reads what was added since the last."""

    def __init__(self, data: Path, limit: int = MAX_ENTRIES) -> None:
        """Read the journal of a data directory, the newest `limit` entries of alarms."""
        self._data, self._limit = data, limit
        self._lock = threading.Lock()
        self._known, self._file = NOTHING, 0

    def known(self) -> Known:
        """Return what is in the journal now; takes seconds the first time if it is large. Raises `sqlite3.Error`."""
        with self._lock:
            file = _identity(self._data / FILE)
            if file != self._file:  # The processor moved a journal aside that could not be read; another began.
                self._known, self._file = NOTHING, file
            entries = self._known.entries
            last = 0 if entries.is_empty() else int(entries["id"][-1])
            new = alarm_entries.read(self._data, last, self._limit)
            if new.height:
                every = pl.concat([entries, new])
                complete = self._known.complete and every.height < self._limit
                kept = every.tail(self._limit).rechunk()
                self._known = Known(kept, occurrences(kept), complete)
            return self._known


def _identity(path: Path) -> int:
    """Return what tells a file from another of the same name; 0 if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
