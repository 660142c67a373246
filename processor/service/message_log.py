"""Message log: what was taken in since the checkpoint, so that messages are acknowledged long before the next one.

A record holds the arguments of one `GuardedPipeline.take`, which depends on nothing else but the state: taking the
records in again after the checkpoint leads to the state of before the crash. The log is divided into parts: a
checkpoint begins a new one, and once it is complete the older ones are removed.
"""

from __future__ import annotations

import io
import itertools
import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import polars as pl

from broker.mqtt.link import Message
from broker.store import durable_write

log = logging.getLogger("processor")

DIRECTORY: Final = "log"
MAX_BYTES: Final = 4 * 1024**3
"""Size at which the log counts as full: nothing is acknowledged until a checkpoint makes room."""
_HEAD: Final = struct.Struct("<IQI")
"""Before each record: the bytes of its description and of the payloads that follow it, and the CRC-32 of both."""
_BUFFER_BYTES: Final = 1024**2


class _Description(msgspec.Struct, array_like=True):
    """What a record says beside the payloads: of each message the topic, the bytes and whether it was retained.

    `readings` are Arrow IPC; the others are those of `Taken`.
    """

    now: int
    listening: bool
    step_ms: int
    readings: bytes
    messages: list[tuple[str, int, bool]]
    current: bool = True


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Description)


@dataclass(frozen=True)
class Taken:
    """The arguments of one `GuardedPipeline.take`, and by how much the wall clock had been set before it (ms)."""

    messages: list[Message]
    now: int
    listening: bool
    readings: pl.DataFrame | None
    step_ms: int = 0
    current: bool = True


@dataclass
class MessageLog:
    """Writer of the log in the directory `data`, and its reader after a restart; only one process may use it.

    `bytes` is the size on disk, `overflows` how often it was full. What `add` took waits in memory until `sync`, which
    may run in another thread.
    """

    data: Path
    max_bytes: int = MAX_BYTES
    bytes: int = 0
    overflows: int = 0
    _waiting: list[tuple[int, Taken]] = field(default_factory=list)
    _part: int = 0
    _ends: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _was_full: bool = False

    def __post_init__(self) -> None:
        self._ends = {part: self._path(part).stat().st_size for part in self._parts()}
        self.bytes = sum(self._ends.values())
        # Never after the last record of a run that ended by force: it may be torn.
        self._part = max(self._ends, default=-1) + 1

    @property
    def _root(self) -> Path:
        return self.data / DIRECTORY

    def _path(self, part: int) -> Path:
        return self._root / f"{part:08d}.log"

    def _parts(self) -> list[int]:
        return sorted(int(path.stem) for path in self._root.glob("*.log") if path.stem.isdecimal())

    @property
    def full(self) -> bool:
        """Whether there is no room, so that nothing may be acknowledged before the next checkpoint."""
        return self.bytes >= self.max_bytes

    def add(self, taken: Taken) -> None:
        """Take a record to be written by the next `sync`."""
        self._waiting.append((self._part, taken))

    def begin(self) -> int:
        """Begin a new part and return its number: a checkpoint of the state as it is now is continued by it."""
        self._part += 1
        return self._part

    def sync(self) -> None:
        """Make durable what was added; raises `OSError` and keeps it."""
        with self._lock:
            if self.full:
                self.overflows += not self._was_full
                self._was_full = True
                raise OSError(
                    f"the message log has reached {self.max_bytes:,} bytes, and no checkpoint could be written"
                )
            self._was_full = False
            waiting = self._waiting[:]
            for part in dict.fromkeys(part for part, _ in waiting):
                self._append(part, [taken for of, taken in waiting if of == part])
            del self._waiting[: len(waiting)]

    def _append(self, part: int, records: list[Taken]) -> None:
        end, path = self._ends.get(part), self._path(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a failed attempt left behind the last record is overwritten.
        with path.open("r+b" if end is not None else "wb", _BUFFER_BYTES) as file:
            file.seek(end or 0)
            for taken in records:
                _write(file, taken)
            file.flush()
            file.truncate()
            os.fdatasync(file.fileno())
            new = file.tell()
        if end is None:
            durable_write.sync(path.parent)
        self._ends[part] = new
        self.bytes += new - (end or 0)

    def forget(self, before: int) -> None:
        """Remove the parts before that one, written or waiting: a checkpoint contains them. Raises `OSError`."""
        with self._lock:
            for part in [part for part in self._ends if part < before]:
                self._path(part).unlink(missing_ok=True)
                self.bytes -= self._ends.pop(part)
            waiting = sum(part < before for part, _ in self._waiting)
            del self._waiting[:waiting]

    def read(self, since: int) -> Iterator[Taken]:
        """Yield what was added to the parts from `since` on, in order; what is added from then on follows them.

        A part ends with its last whole record: what follows was written when a run was ended by force, and nobody was
        promised it. A part that this version cannot read, as after going back to an older one, is moved aside.
        """
        # After a clean end there are no parts to count on from: a lower number would never be read again.
        self._part = max(self._part, since)
        for part in (part for part in self._parts() if part >= since):
            try:
                yield from _read(self._path(part))
            except (msgspec.MsgspecError, pl.exceptions.PolarsError) as error:
                self._set_aside(part, error)

    def _set_aside(self, part: int, error: Exception) -> None:
        aside = self.data / f"{DIRECTORY}.unreadable-1" / self._path(part).name
        aside.parent.mkdir(exist_ok=True)
        self._path(part).replace(aside)
        self.bytes -= self._ends.pop(part)
        log.error("the message log could not be read further (%s); it was moved to %s", error, aside)


def _write(file: BinaryIO, taken: Taken) -> None:
    """Write a record; payloads are not copied, for they are most of what the fleet sends."""
    readings = io.BytesIO()
    if taken.readings is not None:
        taken.readings.write_ipc(readings)
    messages = [(message.topic, len(message.payload), message.retained) for message in taken.messages]
    described = _ENCODER.encode(
        _Description(taken.now, taken.listening, taken.step_ms, readings.getvalue(), messages, taken.current)
    )
    crc = zlib.crc32(described)
    for message in taken.messages:
        crc = zlib.crc32(message.payload, crc)
    file.write(_HEAD.pack(len(described), sum(length for _, length, _ in messages), crc))
    file.write(described)
    file.writelines(message.payload for message in taken.messages)


def _read(path: Path) -> Iterator[Taken]:
    with path.open("rb") as file:
        size, whole = os.fstat(file.fileno()).st_size, 0
        while (taken := _next(file, size)) is not None:
            whole = file.tell()
            yield taken
    if whole < size:
        log.warning("%s ends with %s bytes of a record that was not completed", path, f"{size - whole:,}")


def _next(file: BinaryIO, size: int) -> Taken | None:
    """Return the next record, None if there is no whole one."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    described_bytes, payload_bytes, crc = _HEAD.unpack(head)
    if described_bytes + payload_bytes > size - file.tell():
        return None
    described, payloads = file.read(described_bytes), file.read(payload_bytes)
    if zlib.crc32(payloads, zlib.crc32(described)) != crc:
        return None
    record = _DECODER.decode(described)
    ends = itertools.accumulate(length for _, length, _ in record.messages)
    messages = [
        Message(topic, payloads[end - length : end], 0, 1, retained)
        for (topic, length, retained), end in zip(record.messages, ends, strict=True)
    ]
    readings = pl.read_ipc(io.BytesIO(record.readings)) if record.readings else None
    return Taken(messages, record.now, record.listening, readings, record.step_ms, record.current)
