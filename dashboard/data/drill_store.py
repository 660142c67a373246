"""File of the drills in the data directory: read by every viewer, changed by one writer at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from broker.store import file_lock, secret_files
from dashboard.data.drill_records import INJECTED, OPEN, Drill, kept

log = logging.getLogger("dashboard")
FILE: Final = "drills.json"
LOCK: Final = "drills.lock"
MAX_BYTES: Final = 4 * 1024 * 1024


class DrillError(Exception):
    """The file of the drills cannot be read or written; the text says why and what to do."""


class _File(msgspec.Struct):
    """Content of the file: the drills, the oldest first."""

    drills: list[Drill] = []


_DECODER: Final = msgspec.json.Decoder(_File)


@dataclass
class DrillStore:
    """Drills of a data directory."""

    data: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stamp: tuple[int, int] | None = None
    _drills: tuple[Drill, ...] = ()
    _problem: str = ""

    def drills(self) -> tuple[Drill, ...]:
        """Return all drills, the oldest first; raises `DrillError`."""
        with self._lock:
            try:
                found = self._path.stat()
                stamp = (found.st_mtime_ns, found.st_ino)
                if stamp != self._stamp:
                    self._drills, self._stamp = tuple(self._read().drills), stamp
            except FileNotFoundError:
                self._drills, self._stamp = (), None
            except (OSError, msgspec.DecodeError, ValueError) as error:
                raise DrillError(
                    f"{self._path} cannot be read ({error}); restore it from a backup, or remove it"
                ) from error
            return self._drills

    def change(self, edit: Callable[[list[Drill]], list[Drill]]) -> list[Drill]:
        """Let `edit` change the drills while no other process does; return what was stored. Raises `DrillError`."""
        try:
            with file_lock.hold(self.data / LOCK):
                drills = kept(edit(list(self.drills())))
                content = msgspec.json.format(msgspec.json.encode(_File(drills)), indent=1)
                secret_files.write(self._path, content)
        except (OSError, file_lock.LockedError) as error:
            raise DrillError(f"{self._path} cannot be written: {error}") from error
        return drills

    def update(self, drill: Drill, *states: str) -> bool:
        """Replace a drill if it is in one of these states now; return whether it was. Raises `DrillError`."""
        done = False

        def edit(drills: list[Drill]) -> list[Drill]:
            nonlocal done
            places = [at for at, one in enumerate(drills) if one.id == drill.id and one.state in states]
            for place in places:
                drills[place], done = drill, True
            return drills

        self.change(edit)
        return done

    def opened(self) -> tuple[Drill, ...]:
        """Return the drills that have not ended; none, with a line in the log, if the file cannot be read."""
        try:
            found = tuple(drill for drill in self.drills() if drill.state in OPEN)
        except DrillError as error:
            if str(error) != self._problem:
                log.warning("%s", error)
            self._problem = str(error)
            return ()
        self._problem = ""
        return found

    def blind(self) -> tuple[Drill, ...]:
        """Return the drills whose fault is in a pump now: nobody may learn of it from a page."""
        return tuple(drill for drill in self.opened() if drill.state in INJECTED)

    def _read(self) -> _File:
        if self._path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return _DECODER.decode(self._path.read_bytes())

    @property
    def _path(self) -> Path:
        return self.data / FILE
