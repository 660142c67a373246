"""Table of sessions: in memory for every request, and in a file that survives a restart of the dashboard."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from broker.store import secret_files

LOG: Final = logging.getLogger("dashboard")
FILE: Final = "sessions.sqlite"
BUSY_TIMEOUT_S: Final = 5
MAX_SESSIONS: Final = 10_000


@dataclass(frozen=True)
class Session:
    """A sign-in: whose, from where and when, in wall ms.

    `digest` is the hash of the secret in the cookie, which the server does not keep. An empty `name` is the shared key.
    `generation` identifies the credential that it was made with; `role` is that of an identity provider, else empty.
    """

    digest: str
    name: str
    generation: str
    started: int
    seen: int
    address: str
    agent: str = ""
    role: str = ""

    @property
    def handle(self) -> str:
        """The part of the digest by which lists name a session."""
        return self.digest[:12]


SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS sessions (digest TEXT PRIMARY KEY, name TEXT NOT NULL, generation TEXT NOT NULL, "
    "started INTEGER NOT NULL, seen INTEGER NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL, role TEXT NOT NULL)"
)

SIGN_INS: Final = "CREATE TABLE IF NOT EXISTS sign_ins (name TEXT PRIMARY KEY, at INTEGER NOT NULL)"
SIGNED_IN: Final = (
    "INSERT INTO sign_ins VALUES (:name, :started) ON CONFLICT (name) DO UPDATE SET at = MAX(at, excluded.at)"
)
SELECT: Final = "SELECT digest, name, generation, started, seen, address, agent, role FROM sessions ORDER BY seen DESC"
INSERT: Final = (
    "INSERT OR REPLACE INTO sessions VALUES (:digest, :name, :generation, :started, :seen, :address, :agent, :role)"
)
UPDATE: Final = (
    "UPDATE sessions SET name = :name, generation = :generation, started = :started, seen = :seen, address = :address, "
    "agent = :agent, role = :role WHERE digest = :digest"
)


class SessionTable:
    """The sessions by digest. Changes take effect at once; `save` writes them.

    Other processes change sessions in the file (`remove_of`, another dashboard of a cluster); `refresh` notices.
    What one of them has ended does not come back because it was used here a moment before.
    """

    def __init__(self, data: Path) -> None:
        """Read the sessions of a data directory; a file that cannot be read is replaced."""
        self._path = secret_files.directory(data) / FILE
        self._writing, self._changing = threading.Lock(), threading.Lock()
        self._pending: dict[str, Session | None] = {}
        self._sessions: dict[str, Session] = {}
        self._stored: frozenset[str] = frozenset()
        self._stamp: object = None
        self._failing = False
        try:
            _read(self._path)
        except sqlite3.DatabaseError as error:
            LOG.warning("%s is replaced, so everybody has to sign in again: %s", self._path, error)
            self._path.unlink(missing_ok=True)
        self.refresh()

    def get(self, digest: str) -> Session | None:
        """Return a session, whether it is still valid or not."""
        return self._sessions.get(digest)

    def all(self) -> list[Session]:
        """Return every session, the one used last first."""
        return sorted(self._sessions.values(), key=lambda session: -session.seen)

    def put(self, session: Session) -> None:
        """Add or replace a session; beyond `MAX_SESSIONS`, the one used longest ago ends."""
        with self._changing:
            self._sessions[session.digest] = self._pending[session.digest] = session
        if len(self._sessions) > MAX_SESSIONS:
            oldest = min(self._sessions.values(), key=lambda session: session.seen)
            LOG.warning("There are %d sessions, as many as allowed; that of %s ended", MAX_SESSIONS, oldest.name)
            self.end([oldest.digest])

    def end(self, digests: Iterable[str]) -> None:
        """Remove sessions."""
        with self._changing:
            for digest in digests:
                if self._sessions.pop(digest, None) is not None:
                    self._pending[digest] = None

    @property
    def unsaved(self) -> bool:
        """Whether there are changes to write."""
        return bool(self._pending)

    def refresh(self) -> None:
        """Read the sessions again if the file changed; changes that are not written yet stay.

        Does not wait for a writer: then the next call reads.
        """
        stamp = self._stat()
        if stamp == self._stamp:
            return
        # Before reading: what is written in between is in the file or here, never in neither.
        pending, before = dict(self._pending), self._stored
        with contextlib.suppress(sqlite3.Error):
            found = {session.digest: session for session in _read(self._path, timeout_s=0)}
            with self._changing:
                self._stamp, self._stored = stamp, frozenset(found) | (self._stored - before)
                for digest, session in pending.items():
                    if session is None:
                        found.pop(digest, None)
                    elif digest in found or digest not in before:
                        found[digest] = session
                    else:
                        self._pending.pop(digest, None)
                self._sessions = found

    def save(self) -> None:
        """Write the changes durably, from any thread. A disk that refuses is logged; the changes are kept for later."""
        with self._writing:
            changes = dict(self._pending)
            try:
                _write(self._path, changes, self._stored)
            except (sqlite3.Error, OSError) as error:
                if not self._failing:
                    LOG.warning("Sessions not written to %s, a restart will not know them: %s", self._path, error)
                self._failing = True
                return
            self._failing = False
            with self._changing:
                self._stored |= changes.keys()
                for digest, session in changes.items():
                    if self._pending.get(digest, _NONE) is session:
                        del self._pending[digest]

    def _stat(self) -> object:
        try:
            status = self._path.stat()
        except OSError:
            return "none"
        return status.st_ino, status.st_mtime_ns, status.st_size


_NONE: Final = object()


def sessions_of(data: Path, name: str) -> list[Session]:
    """Return the sessions of a person in the file, the one used last first. Raises `sqlite3.Error`."""
    return [session for session in _read(data / secret_files.DIRECTORY / FILE) if session.name == name]


def last_sign_ins(data: Path) -> dict[str, int]:
    """Return when each person signed in last, in wall ms; does not wait for a writer. Raises `sqlite3.Error`."""
    path = data / secret_files.DIRECTORY / FILE
    if not path.exists():
        return {}
    with contextlib.closing(_connect(path, 0)) as connection:
        rows = connection.execute("SELECT name, at FROM sign_ins ORDER BY at DESC")
        return dict(rows.fetchmany(MAX_SESSIONS))


def remove_of(data: Path, name: str) -> None:
    """Remove the sessions of a person from the file; a running dashboard notices. Raises `sqlite3.Error`."""
    path = data / secret_files.DIRECTORY / FILE
    _write(path, {session.digest: None for session in sessions_of(data, name)}, ())


def _read(path: Path, timeout_s: float = BUSY_TIMEOUT_S) -> list[Session]:
    if not path.exists():
        return []
    with contextlib.closing(_connect(path, timeout_s)) as connection:
        return [Session(*row) for row in connection.execute(SELECT).fetchmany(MAX_SESSIONS)]


def _write(path: Path, changes: Mapping[str, Session | None], stored: Collection[str]) -> None:
    """Write changed sessions; those that were `stored` are not added again if they are gone."""
    with contextlib.closing(_connect(path, BUSY_TIMEOUT_S)) as connection, connection:
        rows = [asdict(session) for session in changes.values() if session]
        connection.executemany(INSERT, [row for row in rows if row["digest"] not in stored])
        connection.executemany(UPDATE, [row for row in rows if row["digest"] in stored])
        connection.executemany(SIGNED_IN, rows)
        gone = [(digest,) for digest, session in changes.items() if session is None]
        connection.executemany("DELETE FROM sessions WHERE digest = ?", gone)


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    # SQLite gives its other files the mode of this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, secret_files.FILE_MODE))
    connection = sqlite3.connect(path, timeout=timeout_s)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(SCHEMA)
        connection.execute(SIGN_INS)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
