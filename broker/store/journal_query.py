"""Queries on the journal: entries by pump, person and time, and the check of its hash chain."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from broker.contract.subjects import kind_by_name
from broker.store.journal import (
    CHAINED,
    ENTRIES_SCHEMA,
    EVENTS_SCHEMA,
    FIELDS,
    FILE,
    FORMAT,
    OF_ALARMS,
    Head,
    chain_hash,
)


@dataclass(frozen=True)
class Query:
    """Which entries: of a pump, by a person, between two wall times (ms), of alarms alone; the newest `limit`.

    Entries of alarms include refusals, and what was taken out of service or put back before it alarmed.
    """

    pump: str | None = None
    who: str | None = None
    since: int | None = None
    until: int | None = None
    alarms_only: bool = False
    limit: int = 200


def entries(data: Path, query: Query) -> pl.DataFrame:
    """Return entries (`ENTRIES_SCHEMA`), newest first."""
    conditions = {
        "id IN (SELECT id FROM concerns WHERE pump = ?)": query.pump,
        "who = ?": query.who,
        "at >= ?": query.since,
        "at <= ?": query.until,
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join([*given, *([OF_ALARMS] if query.alarms_only else [])]) or "1"
    with _reading(data) as (connection, found):
        columns = _columns((*ENTRIES_SCHEMA, "format"), found)
        text = f"SELECT {columns} FROM entry WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        rows = [] if connection is None else connection.execute(text, (*given.values(), query.limit)).fetchall()
    schema = {**ENTRIES_SCHEMA, "format": pl.Int64()}
    at = list(schema).index("pumps")
    decoded = [(*row[:at], None if row[at] is None else msgspec.json.decode(row[at]), *row[at + 1 :]) for row in rows]
    read = pl.DataFrame(decoded, schema=schema, orient="row")
    return (read if (read["format"] == FORMAT).all() else _with_fields(read)).select(*ENTRIES_SCHEMA)


def events(data: Path, *, pump: str | None = None, limit: int = 200) -> pl.DataFrame:
    """Return the newest entries of alarms, refusals and what is out of service (`EVENTS_SCHEMA`), newest first."""
    return entries(data, Query(pump=pump, limit=limit, alarms_only=True)).select(*EVENTS_SCHEMA)


def verify(data: Path, expected: Head | None = None) -> tuple[int, str | None]:
    """Check the whole chain; return the number of entries and, if it is broken, a sentence that says where.

    `expected` is where the chain is known to have ended before: a journal that ends earlier was truncated.
    """
    last, passed = Head(), expected is None or expected.entries == 0
    with _reading(data) as (connection, found):
        columns = _columns((*CHAINED[FORMAT], "hash"), found)
        text = f"SELECT {columns} FROM entry ORDER BY id"  # noqa: S608
        for row in () if connection is None else map(dict, connection.execute(text)):
            number = row["id"]
            if number != last.entries + 1:
                return last.entries, f"entry {last.entries + 1} is missing; the next is {number}"
            if not _is_intact(last, row):
                return last.entries, f"entry {number} ({row['kind']}) is not what was written, or the one before is not"
            last = Head(number, row["hash"])
            if expected is not None and last.entries == expected.entries:
                if last.hash != expected.hash:
                    return (
                        last.entries,
                        f"entry {number} is not the one that the processor wrote; the chain was rewritten",
                    )
                passed = True
    if not passed and expected is not None:
        return last.entries, f"it ends at entry {last.entries}, but there were {expected.entries}: its end was cut off"
    return last.entries, None


def _is_intact(last: Head, row: dict[str, Any]) -> bool:
    """Tell whether an entry has the hash that follows from its columns, and nothing in those that it does not cover."""
    covered = CHAINED.get(row["format"])
    if covered is None or any(row[name] is not None for name in FIELDS if name not in covered):
        return False
    return bool(chain_hash(last.hash, row) == row["hash"])


def _columns(names: tuple[str, ...], found: int) -> str:
    """Return what to select for these columns from a journal of the format that was found."""
    missing = {} if found == FORMAT else {**dict.fromkeys(FIELDS, "NULL"), "format": "2"}
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
def _reading(data: Path) -> Iterator[tuple[sqlite3.Connection | None, int]]:
    """Open the journal for reading, with its format; None if there is none of a format with a chain."""
    path = data / FILE
    if not path.exists():
        yield None, FORMAT
        return
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        yield (connection, found) if found in CHAINED else (None, FORMAT)
    finally:
        connection.close()
