"""Exclusive locks on files: held by an open file, so they end with the process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

RETRY_S: Final = 0.5
"""How long `hold` retries: `held` takes the lock for an instant."""
PAUSE_S: Final = 0.02


class LockedError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock on a file, which is created and never removed; raises `LockedError` if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        deadline = time.monotonic() + RETRY_S
        while not _try(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                raise LockedError(str(path))
            time.sleep(PAUSE_S)
        yield


def held(path: Path) -> bool:
    """Return whether a process holds the lock on a file; this needs no right to write it."""
    try:
        with path.open() as file:
            return not _try(file, fcntl.LOCK_SH)
    except OSError:
        return False


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
