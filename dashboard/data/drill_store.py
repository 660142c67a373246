"""File of the drills in the data directory: read by every viewer, changed by one writer at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from broker.store.list_file import ListFile
from dashboard.data.drill_records import INJECTED, OPEN, Drill, kept

FILE: Final = "drills.json"
MAX_BYTES: Final = 4 * 1024 * 1024


class DrillError(Exception):
    """The file of the drills cannot be read or written; the text says why and what to do."""


class _File(msgspec.Struct):
    """Content of the file: the drills, the oldest first."""

    drills: list[Drill] = []


_DECODER: Final = msgspec.json.Decoder(_File)


@dataclass(frozen=True)
class DrillStore:
    """Drills of a data directory."""

    data: Path

    @cached_property
    def _file(self) -> ListFile[Drill]:
        return ListFile(self.data / FILE, _decoded, _encoded, DrillError, MAX_BYTES)

    def drills(self) -> tuple[Drill, ...]:
        """Return all drills, the oldest first; raises `DrillError`."""
        return self._file.read()

    def change(self, edit: Callable[[list[Drill]], list[Drill]]) -> list[Drill]:
        """Let `edit` change the drills while no other process does; return what was stored. Raises `DrillError`."""
        return self._file.change(lambda drills: kept(edit(drills)))

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
        return tuple(drill for drill in self._file.readable() if drill.state in OPEN)

    def blind(self) -> tuple[Drill, ...]:
        """Return the drills whose fault is in a pump now: nobody may learn of it from a page."""
        return tuple(drill for drill in self.opened() if drill.state in INJECTED)


def _decoded(content: bytes) -> list[Drill]:
    return _DECODER.decode(content).drills


def _encoded(drills: list[Drill]) -> bytes:
    return msgspec.json.encode(_File(drills))
