"""Messages in hand: evidence that outlives the process, so that a message which ends it is found and set aside.

A message that raises an error is isolated by the guard. One that ends the process (a segmentation fault, the kernel's
out-of-memory killer) comes back at each start, because it was never acknowledged. So a file always has marks of the
messages that are being decoded or judged. If it is not empty at a start, these are suspects, and taken one by one; one
that was alone in hand at two ends is guilty. The file is not synced: it has to outlive the process, not the machine.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from broker.mqtt.link import Message
from broker.store import durable_write
from processor.service.message_log import Taken

log = logging.getLogger("processor")

FILE: Final = "in-hand"
RECORD: Final = "poison.json"
MODE: Final = 0o600
MAX_MARKS: Final = 131_072
"""Marks in the file; more messages than that are never in hand."""
MAX_KEPT: Final = 1_000
"""Suspects and guilty messages that are remembered; beyond it the oldest are forgotten."""
MAX_ENDS: Final = 2
"""Unclean ends with a message alone in hand after which it is guilty."""
WHOLE_BYTES: Final = 512
PART_BYTES: Final = 256
REASON: Final = (
    "the processor was ended by force at least twice while it had nothing but this message in hand, so it is not tried "
    "again; please report it"
)
_COUNT: Final = struct.Struct("<Q")


class _Record(msgspec.Struct):
    """How often messages were alone in hand at an unclean end, and which are guilty, by mark, oldest first."""

    alone: dict[int, int] = {}
    guilty: list[int] = []


def mark_of(message: Message) -> int:
    """Return what recognizes a message when it is redelivered: length and checksum, of a long one those of its ends."""
    return _mark(message.payload)


def marks_of(messages: Sequence[Message]) -> array[int]:
    """Return the marks of messages; most are short, and there are many of them."""
    crc32, payloads = zlib.crc32, [message.payload for message in messages]
    return array(
        "Q",
        [len(each) << 32 | crc32(each) if len(each) <= WHOLE_BYTES else _mark(each) for each in payloads],
    )


def _mark(payload: bytes) -> int:
    if len(payload) <= WHOLE_BYTES:
        return len(payload) << 32 | zlib.crc32(payload)
    return len(payload) << 32 | zlib.crc32(payload[-PART_BYTES:], zlib.crc32(payload[:PART_BYTES]))


@dataclass
class InHand:
    """The evidence in the directory `data`; only one process may use it. `failures` counts writes that failed."""

    data: Path
    failures: int = 0
    _record: _Record = field(default_factory=_Record)
    _suspects: set[int] = field(default_factory=set)
    _guilty: set[int] = field(default_factory=set)
    _held: list[tuple[Sequence[Message], array[int]]] = field(default_factory=list)
    _file: int = -1

    def __post_init__(self) -> None:
        self._record = _read_record(self.data / RECORD)
        self.data.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.data / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        before = set(self._left_behind())
        if before:
            self._judge(before)
        self._suspects = before.union(self._record.alone) - set(self._record.guilty)
        self._guilty = set(self._record.guilty)
        self._write()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _judge(self, before: set[int]) -> None:
        """Draw conclusions from what the last run had in hand when it ended."""
        log.warning(
            "the last run was ended by force with %s messages in hand; they are taken one by one", f"{len(before):,}"
        )
        if len(before) > 1:
            return
        (mark,) = before
        ends = self._record.alone.pop(mark, 0) + 1
        if ends >= MAX_ENDS:
            self._record.guilty = [*self._record.guilty, mark][-MAX_KEPT:]
            log.error("a message ended the processor %s times; it goes into the quarantine", ends)
        else:
            self._record.alone[mark] = ends
        self._save()

    def suspicious(self, messages: Sequence[Message]) -> bool:
        """Return whether a suspect or guilty message is among these; normally there are none to look for."""
        if not self._suspects and not self._guilty:
            return False
        return any(mark in self._suspects or mark in self._guilty for mark in map(mark_of, messages))

    def guilty(self, messages: Sequence[Message]) -> list[Message]:
        """Return those that are not to be decoded any more."""
        return [message for message in messages if mark_of(message) in self._guilty] if self._guilty else []

    def parts(self, taken: Taken) -> list[Taken]:
        """Return what is to be taken one after the other, in order: each suspect alone, and no guilty message."""
        if not self.suspicious(taken.messages):
            return [taken]
        groups: list[list[Message]] = [[]]
        for message in taken.messages:
            mark = mark_of(message)
            if mark in self._suspects:
                groups += [[message], []]
            elif mark not in self._guilty:
                groups[-1].append(message)
        first, *others = [group for group in groups if group] or [[]]
        later = replace(taken, readings=None, step_ms=0)
        return [replace(taken, messages=first), *(replace(later, messages=group) for group in others)]

    def hold(self, messages: Sequence[Message]) -> None:
        """Note that these are about to be decoded or judged; a second time has no effect."""
        if messages and not any(held is messages for held, _ in self._held):
            self._held.append((messages, marks_of(messages)))
            self._write()

    def release(self, messages: Sequence[Message]) -> None:
        """Note that these are not in hand any more; those that were not held have no effect."""
        self._held = [each for each in self._held if each[0] is not messages]
        self._write()

    @contextlib.contextmanager
    def holding(self, messages: Sequence[Message]) -> Iterator[None]:
        """Hold these until the context ends without an error; a suspect that was alone is none any more."""
        self.hold(messages)
        yield
        if not messages:
            return
        self.release(messages)
        if self._suspects and len(messages) == 1:
            mark = mark_of(messages[0])
            self._suspects.discard(mark)
            if self._record.alone.pop(mark, 0):
                self._save()

    def _left_behind(self) -> array[int]:
        content = os.pread(self._file, _COUNT.size * (1 + MAX_MARKS), 0)
        marks = array("Q")
        if len(content) >= _COUNT.size:
            (count,) = _COUNT.unpack_from(content)
            whole = content[_COUNT.size : _COUNT.size * (1 + min(count, MAX_MARKS))]
            marks.frombytes(whole[: len(whole) // _COUNT.size * _COUNT.size])
        return marks

    def _write(self) -> None:
        marks = array("Q")
        for _, held in self._held:
            marks.extend(held)
        del marks[MAX_MARKS:]
        try:
            os.pwrite(self._file, _COUNT.pack(len(marks)) + marks.tobytes(), 0)
        except OSError as error:
            self.failures += 1
            if self.failures == 1:
                log.warning("cannot write %s to %s: %s", FILE, self.data, error.strerror)

    def _save(self) -> None:
        while len(self._record.alone) > MAX_KEPT:
            del self._record.alone[next(iter(self._record.alone))]
        try:
            durable_write.replace(
                self.data / RECORD, lambda aside: aside.write_bytes(msgspec.json.encode(self._record))
            )
        except OSError as error:
            self.failures += 1
            log.warning("cannot write %s to %s: %s", RECORD, self.data, error.strerror)


def _read_record(path: Path) -> _Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record)
    except FileNotFoundError:
        return _Record()
    except (OSError, msgspec.DecodeError) as error:
        log.warning("%s cannot be read (%s); messages that ended the processor are looked for anew", path, error)
        return _Record()
