"""Archived samples: the files of the history table with what ranges no longer have on disk."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import polars as pl

from broker.store.delta_log import Log
from broker.store.history_table import HistoryTableError, location, to_read

_READING = threading.Lock()


def files(data: Path, first: str, last: str | None) -> dict[str, list[Path | str]]:
    """Return the files to read beside those on disk, by day from `first` to `last` (`date=2026-01-31`), oldest first.

    As long as ranges have all their samples on disk, the table is not asked. Raises `OSError` if it cannot be read.
    """
    try:
        wanted = to_read(data, first, last)
        url = location(data) if wanted else None
    except HistoryTableError as error:
        raise OSError(str(error)) from error
    if url is None:
        return {}
    log = _log(url)
    with _READING:
        log.read()
        listed = log.files()
    pairs = [(number, day.partition("=")[2]) for number, days in wanted.items() for day in days]
    chosen = pl.DataFrame(pairs, schema={"range": pl.Int64(), "date": pl.String()}, orient="row")
    found = listed.join(chosen, on=["range", "date"], how="semi").sort("date", "path")
    return {
        f"date={day}": log.places(of_day["path"].to_list())
        for (day,), of_day in found.partition_by("date", as_dict=True, maintain_order=True).items()
    }


@cache
def _log(url: str) -> Log:
    return Log(url)
