"""Queries on the journal: entries by pump, person, kind, origin, time and text."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from broker.contract.subjects import kind_by_name
from broker.store.journal import ENTRIES_SCHEMA, EVENTS_SCHEMA
from broker.store.journal_chain import ADDED, CHAINED, FORMAT, Head
from broker.store.journal_file import FILE
from broker.store.journal_tables import OF_ALARMS, OF_PEOPLE, format_of

_READ: Final = (*ENTRIES_SCHEMA, "format", "id")
_WORDS: Final = ("kind", "who", "origin", "title", "text", "pump", "subject")
"""Columns in which a text is looked for."""
MAX_SEARCHED: Final = 1_000_000
"""Entries, from the newest on, in which kind, origin and text are looked for: no index helps."""


@dataclass(frozen=True)
class Query:
    """Which entries; the newest `limit` of them, or of those `before` the entry of this number.

    Of a pump, by a person, between two wall times (ms), of some kinds, from an origin, with a text in any of its
    words, of alarms or by people alone. Entries of alarms include refusals, and what was taken out of
    service or put back before it alarmed. Upper and lower case of ASCII letters are the same in `text`.
    """

    pump: str | None = None
    who: str | None = None
    since: int | None = None
    until: int | None = None
    alarms_only: bool = False
    limit: int = 200
    kinds: tuple[str, ...] = ()
    origin: str | None = None
    text: str | None = None
    people_only: bool = False
    before: int | None = None

    def where(self) -> tuple[str, list[object]]:
        """Return the condition in SQL and its values."""
        conditions: dict[str, object] = {
            "id IN (SELECT id FROM concerns WHERE pump = ?)": self.pump,
            "who = ?": self.who,
            "at >= ?": self.since,
            "at <= ?": self.until,
            "origin = ?": self.origin,
            "id < ?": self.before,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        clauses, values = list(given), list(given.values())
        if self.kinds:
            clauses.append(f"kind IN ({', '.join('?' * len(self.kinds))})")
            values += self.kinds
        if self.text:
            clauses.append(f"({' OR '.join(f'instr(lower({name}), lower(?))' for name in _WORDS)})")
            values += [self.text] * len(_WORDS)
        if self.kinds or self.text or self.origin:
            clauses.append("id > (SELECT max(id) FROM entry) - ?")
            values.append(MAX_SEARCHED)
        clauses += [OF_ALARMS] * self.alarms_only + [OF_PEOPLE] * self.people_only
        return " AND ".join(clauses) or "1", values


def entries(data: Path, query: Query) -> pl.DataFrame:
    """Return entries (`ENTRIES_SCHEMA`), newest first."""
    return numbered(data, query).select(*ENTRIES_SCHEMA)


def numbered(data: Path, query: Query) -> pl.DataFrame:
    """Return entries (`ENTRIES_SCHEMA`) with their numbers in the chain (`id`), newest first."""
    where, values = query.where()
    with reading(data) as (connection, found):
        # Columns that this format lacks are null, also in conditions.
        source = f"(SELECT {selected(_READ, found)} FROM entry)"  # noqa: S608
        text = f"SELECT {', '.join(_READ)} FROM {source} WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        rows = [] if connection is None else connection.execute(text, (*values, query.limit)).fetchall()
    return _decoded(rows).select(*ENTRIES_SCHEMA, "id")


def following(data: Path, after: int, limit: int) -> tuple[pl.DataFrame, list[bytes]]:
    """Return the next `limit` entries after the one of a number as `numbered` does, oldest first, and their hashes."""
    with reading(data) as (connection, found):
        source = f"(SELECT {selected((*_READ, 'hash'), found)} FROM entry WHERE id > ? ORDER BY id LIMIT ?)"  # noqa: S608
        text = f"SELECT {', '.join(_READ)}, hash FROM {source} ORDER BY id"  # noqa: S608
        rows = [] if connection is None else [tuple(row) for row in connection.execute(text, (after, limit))]
    return _decoded([row[:-1] for row in rows]).select(*ENTRIES_SCHEMA, "id"), [bytes(row[-1]) for row in rows]


def hash_of(data: Path, number: int) -> bytes | None:
    """Return the hash of the entry of a number, None if there is no such entry."""
    with reading(data) as (connection, _):
        found = None if connection is None else connection.execute("SELECT hash FROM entry WHERE id = ?", (number,))
        row = None if found is None else found.fetchone()
    return None if row is None else bytes(row[0])


def events(data: Path, *, pump: str | None = None, limit: int = 200) -> pl.DataFrame:
    """Return the newest entries of alarms, refusals and what is out of service (`EVENTS_SCHEMA`), newest first."""
    return entries(data, Query(pump=pump, limit=limit, alarms_only=True)).select(*EVENTS_SCHEMA)


def end_of(data: Path) -> Head:
    """Return number and hash of the last entry. Raises `sqlite3.Error`."""
    with reading(data) as (connection, _):
        found = (
            None if connection is None else connection.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1")
        )
        last = None if found is None else found.fetchone()
    return Head() if last is None else Head(last[0], bytes(last[1]))


def _decoded(rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Return rows of `_READ` as columns, with the fields that entries of format 2 have only in their texts."""
    schema = {**ENTRIES_SCHEMA, "format": pl.Int64(), "id": pl.Int64()}
    at = list(schema).index("pumps")
    decoded = [(*row[:at], None if row[at] is None else msgspec.json.decode(row[at]), *row[at + 1 :]) for row in rows]
    read = pl.DataFrame(decoded, schema=schema, orient="row")
    return read if (read["format"] > 2).all() else _with_fields(read)


def selected(names: tuple[str, ...], found: int) -> str:
    """Return what to select for these columns from a journal of the format that was found."""
    missing = {name: "NULL" for number, added in ADDED.items() if number > found for name in added}
    missing |= {"format": "2"} if found == 2 else {}
    return ", ".join(f"{missing[name]} AS {name}" if name in missing else name for name in names)


def _with_fields(read: pl.DataFrame) -> pl.DataFrame:
    """Fill in the fields that entries of format 2 have only in their alarm's id and text; `cause` is a title there."""
    old = (pl.col("format") == 2) & pl.col("alarm").is_not_null()
    named = read.select(pl.when(old).then(pl.col("alarm").str.split("/").list.first())).to_series()
    kinds = pl.Series([None if name is None else kind_by_name(name) for name in named], dtype=pl.String)
    of_pump = pl.when(old & pl.col("pump").is_not_null()).then(pl.lit("pump"))
    title = pl.col("text").str.extract(r"explained by: (.+)$")
    explained = old & pl.col("kind").is_in(["raised", "held", "cleared"])
    return read.with_columns(
        pl.coalesce("subject", named).alias("subject"),
        pl.coalesce("subject_kind", of_pump, kinds).alias("subject_kind"),
        pl.coalesce("cause", pl.when(explained).then(title)).alias("cause"),
    )


@contextlib.contextmanager
def reading(data: Path) -> Iterator[tuple[sqlite3.Connection | None, int]]:
    """Open the journal for reading, with its format; None if there is none of a format with a chain."""
    path = data / FILE
    if not path.exists():
        yield None, FORMAT
        return
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        found = format_of(connection)
        yield (connection, found) if found in CHAINED else (None, FORMAT)
    finally:
        connection.close()
