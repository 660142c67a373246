"""Message log: what was taken in is read again as it was, up to the last record that is whole."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec
import polars as pl
import pytest

from broker.mqtt.link import Message
from processor.service.message_log import MessageLog, Taken


def taken(number: int, *payloads: bytes, readings: pl.DataFrame | None = None, step_ms: int = 0) -> Taken:
    messages = [Message("itb/00/a/telemetry", payload, 0, 1, retained=False) for payload in payloads]
    return Taken(messages, number, listening=number % 2 == 0, readings=readings, step_ms=step_ms)


def times(data: Path, since: int = 0) -> list[int]:
    return [record.now for record in MessageLog(data).read(since)]


def test_records_are_read_again_as_they_were(tmp_path: Path) -> None:
    readings = pl.DataFrame({"what": ["lag"], "value": [1.5]})
    written = [taken(1, b"one", b"two"), taken(2, readings=readings, step_ms=-3_000), taken(3, b"\x00" * 100_000)]
    log = MessageLog(tmp_path)
    for record in written:
        log.add(record)
    log.sync()
    found = list(MessageLog(tmp_path).read(0))
    assert [(r.messages, r.now, r.listening, r.step_ms) for r in found] == [
        (r.messages, r.now, r.listening, r.step_ms) for r in written
    ]
    assert found[1].readings is not None
    assert found[1].readings.equals(readings)


def test_what_was_not_synced_is_not_there(tmp_path: Path) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one"))
    assert times(tmp_path) == []
    log.sync()
    log.add(taken(2, b"two"))
    assert times(tmp_path) == [1]


@pytest.mark.parametrize("left", [1, 16, 20], ids=["in the head", "after the head", "in the content"])
def test_a_record_torn_by_a_power_failure_and_what_follows_it_are_left_out(tmp_path: Path, left: int) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one"))
    log.sync()
    whole = log.bytes
    log.add(taken(2, b"two"))
    log.sync()
    (part,) = (tmp_path / "log").iterdir()
    os.truncate(part, whole + left)
    assert times(tmp_path) == [1]
    after = MessageLog(tmp_path)
    after.add(taken(3, b"three"))
    after.sync()
    assert times(tmp_path) == [1, 3]


def test_a_record_whose_content_is_not_what_was_written_is_left_out(tmp_path: Path) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one"))
    log.sync()
    (part,) = (tmp_path / "log").iterdir()
    part.write_bytes(part.read_bytes().replace(b"one", b"0ne"))
    assert times(tmp_path) == []


def test_a_checkpoint_begins_a_part_and_older_parts_go_once_it_is_complete(tmp_path: Path) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one"))
    log.sync()
    part = log.begin()
    log.add(taken(2, b"two"))
    log.sync()
    assert (times(tmp_path), times(tmp_path, part)) == ([1, 2], [2])
    log.forget(part)
    assert times(tmp_path) == [2]
    assert log.bytes == sum(path.stat().st_size for path in (tmp_path / "log").iterdir())


def test_records_that_the_disk_refused_are_written_when_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one" * 1000))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            log.sync()
    log.add(taken(2, b"two"))
    log.sync()
    assert times(tmp_path) == [1, 2]


def test_a_full_log_takes_no_more_until_a_checkpoint_makes_room_and_counts_it(tmp_path: Path) -> None:
    log = MessageLog(tmp_path, max_bytes=1_000)
    log.add(taken(1, b"x" * 2_000))
    log.sync()
    log.add(taken(2, b"two"))
    for _ in range(2):
        with pytest.raises(OSError, match="message log has reached 1,000 bytes"):
            log.sync()
    assert log.overflows == 1
    log.forget(log.begin())
    log.add(taken(3, b"three"))
    log.sync()
    assert times(tmp_path) == [3]


def test_a_part_in_an_unknown_format_is_moved_aside_and_the_others_are_read(tmp_path: Path) -> None:
    log = MessageLog(tmp_path)
    for number in (1, 2):
        log.add(taken(number, b"one"))
        log.sync()
        log.begin()
    first = min((tmp_path / "log").iterdir())
    described = msgspec.msgpack.encode({"format": 99})
    first.write_bytes(struct.pack("<IQI", len(described), 0, zlib.crc32(described)) + described)
    after = MessageLog(tmp_path)
    assert [record.now for record in after.read(0)] == [2]
    assert [path.name for path in (tmp_path / "log.unreadable-1").iterdir()] == [first.name]
    assert after.bytes == sum(path.stat().st_size for path in (tmp_path / "log").iterdir())


def test_after_a_clean_end_what_is_logged_before_the_next_checkpoint_is_read_again(tmp_path: Path) -> None:
    log = MessageLog(tmp_path)
    log.add(taken(1, b"one"))
    log.sync()
    checkpoint = log.begin()
    log.forget(checkpoint)
    assert list((tmp_path / "log").iterdir()) == []

    restarted = MessageLog(tmp_path)
    assert list(restarted.read(checkpoint)) == []
    restarted.add(taken(2, b"two"))
    restarted.sync()
    assert times(tmp_path, checkpoint) == [2], "a process that is killed now has acknowledged it"
