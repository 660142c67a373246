"""File of the journal: its name, opened for several writers, or moved aside if it cannot be read.

Readers and writers of one machine share a write-ahead log, which needs common memory. Machines that share a directory
have none: there, a writer waits for readers.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broker.store.range_directories import is_shared

FILE: Final = "journal.sqlite"
BUSY_S: Final = 30.0
"""How long a writer waits for another: a full disk cache may hold up its sync for seconds."""
RETRY_S: Final = 0.02


def opened(data: Path) -> sqlite3.Connection:
    """Return a connection for writing: each transaction is durable, and waits for those of other processes."""
    connection = sqlite3.connect(data / FILE, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        if is_shared(data):
            _use_no_wal(connection)
        else:
            _use_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction that is the only one from its beginning: what it reads first is still true when it ends."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def move_aside(data: Path) -> Path:
    """Rename a journal that cannot be read, with all its files; return its new path."""
    aside = next(path for n in itertools.count(1) if not (path := data / f"{FILE}.unreadable-{n}").exists())
    for ending in ("", "-wal", "-shm"):
        path = data / f"{FILE}{ending}"
        if path.exists():
            path.rename(aside.with_name(aside.name + ending))
    return aside


def _use_no_wal(connection: sqlite3.Connection) -> None:
    """Switch to a rollback journal; while another process has the write-ahead log open, that stays in use."""
    connection.execute("PRAGMA busy_timeout = 0")
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=TRUNCATE")
    connection.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite does not wait by itself if another process is just doing the same."""
    deadline = time.monotonic() + BUSY_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_S)
