"""Journal entries of alarms as columns, read from where the last reading ended: a journal only grows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from broker.store import journal
from broker.store.journal_query import reading, selected

SCHEMA: Final[dict[str, pl.DataType]] = {
    "id": pl.Int64(),
    "at": pl.Int64(),
    "time": pl.Int64(),
    "kind": pl.String(),
    "pump": pl.String(),
    "subject": pl.String(),
    "rule": pl.String(),
    "title": pl.String(),
    "priority": pl.Int8(),
    "alarm": pl.String(),
    "who": pl.String(),
    "cause": pl.String(),
}
"""`id` is the number in the chain; the others are those of `broker.store.journal.EVENTS_SCHEMA`."""
KINDS: Final = tuple(kind for kind in journal.KINDS if kind not in ("refused", "notified", "not_notified"))
"""Entries that are read: the course of an alarm and the actions on it, without refusals and notifications."""
_BLOCK: Final = 20_000
"""Rows that are made into columns at a time, so that few exist as objects."""


def read(data: Path, after: int, limit: int) -> pl.DataFrame:
    """Return the newest `limit` entries of alarms (`SCHEMA`) after the entry of a number, oldest first."""
    places = ", ".join("?" * len(KINDS))
    with reading(data) as (connection, found):
        if connection is None:
            return pl.DataFrame(schema=SCHEMA)
        connection.row_factory = None
        # The conditions are those of the index `entry_lately`, which holds the entries of alarms in order.
        rows = connection.execute(
            f"SELECT {selected(tuple(SCHEMA), found)} FROM entry INDEXED BY entry_lately "  # noqa: S608
            f"WHERE (alarm IS NOT NULL OR kind IN ('refused', 'out_of_service', 'in_service')) AND alarm IS NOT NULL "
            f"AND id > ? AND kind IN ({places}) ORDER BY id DESC LIMIT ?",
            (after, *KINDS, limit),
        )
        blocks = [
            pl.DataFrame(block, SCHEMA, orient="row").with_columns(
                pl.coalesce("subject", pl.col("alarm").str.split("/").list.first())
            )
            for block in iter(lambda: rows.fetchmany(_BLOCK), [])
        ]
    return pl.concat([*blocks, pl.DataFrame(schema=SCHEMA)]).reverse()
