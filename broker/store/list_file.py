"""A list in a JSON file of the data directory: read again when it changed, changed by one process at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from broker.store import file_lock, secret_files

log = logging.getLogger("pumpwatch")
LOCK: Final = ".lock"
T = TypeVar("T")


@dataclass
class ListFile(Generic[T]):
    """The list in the file at `path`.

    `decode` makes it of the content of the file and raises `ValueError` or `msgspec.DecodeError`, `encode` the reverse.
    `error` is raised for a file that cannot be read or written; `effect` is what follows from one that cannot be read.
    """

    path: Path
    decode: Callable[[bytes], Sequence[T]]
    encode: Callable[[list[T]], bytes]
    error: type[Exception]
    max_bytes: int
    effect: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stamp: tuple[int, int, int] | None = None
    _known: tuple[T, ...] = ()
    _problem: str = ""

    def read(self) -> tuple[T, ...]:
        """Return the list; empty if there is no file. Raises `error`."""
        with self._lock:
            try:
                found = self.path.stat()
                stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
                if stamp != self._stamp:
                    self._known, self._stamp = tuple(self.decode(self._content(found.st_size))), stamp
            except FileNotFoundError:
                self._known, self._stamp = (), None
            except (OSError, msgspec.DecodeError, ValueError) as problem:
                text = f"{self.path} cannot be read{self.effect} ({problem}); restore it from a backup, or remove it"
                raise self.error(text) from problem
            return self._known

    def _content(self, size: int) -> bytes:
        if size > self.max_bytes:
            raise ValueError(f"it has more than {self.max_bytes:,} bytes")
        return self.path.read_bytes()

    def readable(self) -> tuple[T, ...]:
        """Return the list; empty, with one line in the log, if the file cannot be read."""
        try:
            found = self.read()
        except self.error as problem:
            if str(problem) != self._problem:
                log.warning("%s", problem)
            self._problem = str(problem)
            return ()
        self._problem = ""
        return found

    def change(self, edit: Callable[[list[T]], list[T]]) -> list[T]:
        """Let `edit` change the list while no other process does; return what was stored. Raises `error`."""
        try:
            with file_lock.hold(self.path.with_suffix(LOCK)):
                changed = edit(list(self.read()))
                secret_files.write(self.path, msgspec.json.format(self.encode(changed), indent=1))
        except (OSError, file_lock.LockedError) as problem:
            raise self.error(f"{self.path} cannot be written: {problem}") from problem
        return changed
