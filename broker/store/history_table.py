"""History table: the samples of all ranges of a cluster as one Delta table, in a shared directory or an object store.

Which table belongs to a data directory is in `history-table.json`; credentials of an object store are in the
environment of whoever reads or writes. Days that a range removed from its disk are listed in `history-removed.json`:
these, and no others, are read from the table.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from broker.store import durable_write
from broker.store.range_directories import is_cluster, sources

FILE: Final = "history-table.json"
SAMPLES: Final = "history"
"""Directory of samples of a range; its roll-ups are no samples."""
REMOVED: Final = "history-removed.json"
MAX_REMOVED: Final = 40_000
"""Days that are listed as removed, the newest ones; more than a hundred years."""
SCHEMES: Final = ("s3", "s3a", "gs", "az", "abfs", "abfss")


class HistoryTableError(Exception):
    """The history table cannot be used; the text says why, and what to do."""


class _Location(msgspec.Struct):
    """Content of the file."""

    url: str


def is_remote(url: str) -> bool:
    """Return whether a table is in an object store."""
    return "://" in url


def checked(url: str) -> str:
    """Return the URL or absolute path of a table as people gave it; raises `HistoryTableError`, quoting no password."""
    if not is_remote(url):
        return str(Path(url).expanduser().absolute())
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc or "@" in parts.netloc or parts.query:
        raise HistoryTableError(
            "the address of the history table cannot be used; give a directory that all nodes share, or an object "
            f"store as s3://bucket/path ({', '.join(SCHEMES)}), without credentials: these are read from the "
            "environment, such as AWS_ACCESS_KEY_ID"
        )
    return url.rstrip("/")


def location(data: Path) -> str | None:
    """Return the URL or path of the table of a cluster's data directory, None if it has none.

    Raises `HistoryTableError` if the file cannot be read.
    """
    path = data / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Location).url
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise HistoryTableError(
            f"{path} cannot be read: {error}; restore it, or remove it to choose a table"
        ) from error


def choose(data: Path, url: str) -> str | None:
    """Return the table of a cluster's data directory; the first node that gives a `url` chooses it for all.

    Without `url`, that which was chosen. Raises `HistoryTableError` if another one was, or `OSError`.
    """
    known = location(data)
    if not url:
        return known
    wanted = checked(url)
    if known is None:
        known = _first(data, wanted)
    if known != wanted:
        raise HistoryTableError(
            f"the history table of {data} is {known}, but {wanted} was given; all nodes need the same one. Give that, "
            f"or stop all nodes and remove {data / FILE}: then samples from now on go to the new table"
        )
    return known


def _first(data: Path, url: str) -> str | None:
    data.mkdir(parents=True, exist_ok=True)
    aside = data / f".{FILE}.{secrets.token_hex(8)}"
    content = msgspec.json.encode(_Location(url)) + b"\n"
    durable_write.replace(aside, lambda fresh: fresh.write_bytes(content))
    with contextlib.suppress(FileExistsError):
        os.link(aside, data / FILE)
    aside.unlink()
    return location(data)


def note_removed(data: Path, place: Path) -> None:
    """Note that a directory of the history of a range, of a day or an hour, is about to be removed: it is archived.

    Raises `OSError`; then it must not be removed.
    """
    names = place.relative_to(data).parts
    day = names[1] if len(names) > 1 and names[0] == SAMPLES else None
    try:
        known = removed_days(data)
    except HistoryTableError as error:
        raise OSError(str(error)) from error
    if day is None or day in known:
        return
    content = msgspec.json.encode(sorted({*known, day})[-MAX_REMOVED:])
    durable_write.replace(data / REMOVED, lambda fresh: fresh.write_bytes(content))


def removed_days(data: Path) -> set[str]:
    """Return the days of which samples were removed from the directory of a range; raises `HistoryTableError`."""
    path = data / REMOVED
    try:
        return set(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except FileNotFoundError:
        return set()
    except (OSError, msgspec.DecodeError) as error:
        raise HistoryTableError(f"{path} cannot be read: {error}; remove it to read what is on disk only") from error


def to_read(data: Path, first: str, last: str | None) -> Mapping[int, set[str]]:
    """Return the days from `first` to `last` (`date=2026-01-31`) that must be read from the table, by range."""
    if not is_cluster(data):
        return {}
    found = {int(source.parent.name): removed_days(source) for source in sources(data)}
    wanted = {
        number: {day for day in days if day >= first and (last is None or day <= last)}
        for number, days in found.items()
    }
    return {number: days for number, days in wanted.items() if days}
