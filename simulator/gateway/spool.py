"""Spool of a gateway: keeps parcels on disk until they are confirmed, so that they survive a restart.

A spool is a folder of files to which parcels are appended, each with its length, its number of samples, its stamp and a
checksum; a file is removed when all its parcels are confirmed. A truncated parcel ends its file. An appended parcel
survives the end of the process immediately, and a power failure after `SYNC_INTERVAL_S` at most.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

HEAD: Final = struct.Struct("<IIqI")
"""Length of the payload in bytes, samples in it, stamp, CRC-32 of the payload."""
FILE_BYTES: Final = 1024 * 1024
SYNC_INTERVAL_S: Final = 1.0
ENDING: Final = ".spool"


@dataclass(frozen=True, slots=True)
class Place:
    """Position of a payload on disk."""

    file: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A parcel on disk: its place, its number of samples, its stamp."""

    place: Place
    samples: int
    stamp: int


@dataclass
class Spool:
    """Folder of one gateway. Only one process may use it."""

    folder: Path
    broken: int = 0
    _left: dict[Path, int] = field(default_factory=dict)
    _file: IO[bytes] | None = None
    _path: Path = field(default_factory=Path)
    _synced: float = 0.0

    def load(self) -> Iterator[Kept]:
        """Yield the parcels of an earlier run, oldest first; truncated files are counted in `broken`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            kept = list(_parcels(path))
            whole = sum(HEAD.size + each.place.length for each in kept)
            self.broken += whole < path.stat().st_size
            if kept:
                self._left[path] = len(kept)
            else:
                path.unlink()
            yield from kept

    def keep(self, payload: bytes, samples: int, stamp: int) -> Kept:
        """Write a parcel; raises `OSError` if the disk refuses it."""
        if self._file is None or self._file.tell() >= FILE_BYTES:
            self._turn_over(stamp)
        assert self._file is not None  # noqa: S101 - it was just opened
        offset = self._file.tell()
        try:
            self._file.write(HEAD.pack(len(payload), samples, stamp, zlib.crc32(payload)) + payload)
            self._file.flush()
        except OSError:
            self._abandon()
            raise
        if time.monotonic() - self._synced >= SYNC_INTERVAL_S:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        self._left[self._path] = self._left.get(self._path, 0) + 1
        return Kept(Place(self._path, offset + HEAD.size, len(payload)), samples, stamp)

    def read(self, place: Place) -> bytes:
        """Return a payload; raises `OSError`."""
        with place.file.open("rb") as file:
            file.seek(place.offset)
            return file.read(place.length)

    def forget(self, place: Place) -> None:
        """Release a parcel; releasing the last one of a file removes the file."""
        self._left[place.file] -= 1
        if self._left[place.file] == 0:
            if place.file == self._path and self._file is not None:
                self._file.close()
                self._file = None
            del self._left[place.file]
            place.file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _turn_over(self, stamp: int) -> None:
        self.close()
        last = max((int(path.stem) for path in self.folder.glob(f"*{ENDING}")), default=0)
        self._path = self.folder / f"{max(last + 1, stamp):020d}{ENDING}"
        self._file = self._path.open("xb")

    def _abandon(self) -> None:
        """Close a file that ends in half a parcel; nothing more may be appended to it."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:
            pass


def _parcels(path: Path) -> Iterator[Kept]:
    data = path.read_bytes()
    at = 0
    while at + HEAD.size <= len(data):
        length, samples, stamp, check = HEAD.unpack_from(data, at)
        begin, at = at + HEAD.size, at + HEAD.size + length
        if at > len(data) or zlib.crc32(data[begin:at]) != check:
            return
        yield Kept(Place(path, begin, length), samples, stamp)
