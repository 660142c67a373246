"""File of the silences in the data directory: read by whoever notifies or shows, changed by one writer at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract import silences
from broker.contract.silences import Silence, Silenced, SilenceError
from broker.store.list_file import ListFile

FILE: Final = "silences.json"
FORMAT: Final = 1
MAX_OPEN: Final = 200
"""Silences that are active or coming."""
MAX_OVER: Final = 300
"""Silences that are over and still listed; the oldest are removed first."""
MAX_BYTES: Final = 16 * 1024 * 1024


class SilenceFileError(Exception):
    """The file of the silences cannot be read or written; the text says why and what to do."""


class _File(msgspec.Struct):
    """Content of the file: the silences, the oldest first."""

    format: int = FORMAT
    silences: list[Silence] = []


_DECODER: Final = msgspec.json.Decoder(_File)


@dataclass(frozen=True)
class SilenceStore:
    """Silences of a data directory; the file is read again when it changed."""

    data: Path

    @cached_property
    def _file(self) -> ListFile[Silence]:
        effect = ", so nothing is silenced"
        return ListFile(self.data / FILE, _decoded, _encoded, SilenceFileError, MAX_BYTES, effect)

    def silences(self) -> tuple[Silence, ...]:
        """Return all silences, the oldest first; raises `SilenceFileError`."""
        return self._file.read()

    def silenced(self, alarm: Mapping[str, Any], now: int) -> Silenced | None:
        """Return the silence that covers an alarm (`alarm_matchers.FIELDS`) at `now` (wall ms), None if none does.

        If the file cannot be read, nothing is silenced, and the log says so once.
        """
        return silences.silenced(self.readable(), alarm, now)

    def readable(self) -> tuple[Silence, ...]:
        """Return all silences; none, with a line in the log, if the file cannot be read."""
        return self._file.readable()

    def add(self, silence: Silence) -> None:
        """Add a silence. Raises `SilenceError` if it is not valid or there are too many, `SilenceFileError`."""
        silences.checked(silence)

        def edit(known: list[Silence]) -> list[Silence]:
            many = sum(one.status(silence.created) != "expired" for one in known)
            if many >= MAX_OPEN:
                raise SilenceError(f"{many} silences are active or coming; allowed are {MAX_OPEN}: end some first")
            if any(one.id == silence.id for one in known):
                raise SilenceError(f"there is a silence {silence.id} already")
            return [*known, silence]

        self._change(edit, silence.created)

    def opened(self, name: str, now: int) -> Silence:
        """Return the silence of an id if it is active or coming. Raises `SilenceError`, `SilenceFileError`."""
        return _opened(self.silences(), name, now)

    def end(self, name: str, *, who: str, now: int) -> Silence:
        """End a silence now, by its id, and return it; `who` ends it.

        Raises `SilenceError` if there is none of that id that is active or coming, `SilenceFileError`.
        """
        ended: list[Silence] = []

        def edit(known: list[Silence]) -> list[Silence]:
            found = _opened(known, name, now)
            ended.append(msgspec.structs.replace(found, ended=now, ended_by=who))
            return [ended[0] if one is found else one for one in known]

        self._change(edit, now)
        return ended[0]

    def settle(self, names: Collection[str], now: int) -> None:
        """Note that silences of these ids, which nobody ended, are over. Raises `SilenceFileError`."""

        def edit(known: list[Silence]) -> list[Silence]:
            due = {one.id for one in known if one.id in names and one.ended is None}
            return [msgspec.structs.replace(one, ended=now) if one.id in due else one for one in known]

        self._change(edit, now)

    def _change(self, edit: Callable[[list[Silence]], list[Silence]], now: int) -> None:
        def kept(known: list[Silence]) -> list[Silence]:
            found = edit(known)
            over = [one for one in found if one.status(now) == "expired"]
            dropped = {one.id for one in over[: max(0, len(over) - MAX_OVER)]}
            return [one for one in found if one.id not in dropped]

        self._file.change(kept)


def _decoded(content: bytes) -> list[Silence]:
    found = _DECODER.decode(content)
    if found.format > FORMAT:
        raise ValueError(f"it has format {found.format}, and this version reads up to {FORMAT}")
    return [silences.checked(one) for one in found.silences]


def _encoded(known: list[Silence]) -> bytes:
    return msgspec.json.encode(_File(silences=known))


def _opened(known: Iterable[Silence], name: str, now: int) -> Silence:
    for one in known:
        if one.id == name and one.status(now) != "expired":
            return one
    raise SilenceError(f"no silence {name[:40]!r} is active or coming; list them with: pumpwatch silence list")
