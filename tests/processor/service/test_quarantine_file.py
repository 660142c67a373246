"""Quarantine file: rejected payloads in a file of limited size; while the disk fails, they wait."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from broker.store.snapshot import Refusal
from processor.service import quarantine_file as module
from processor.service.quarantine_file import FILE, QuarantineFile


def rejection(topic: str = "itb/00/mine/telemetry", at: int = 7, reason: str = "no pump") -> Refusal:
    return Refusal(topic, at, reason, '{"p"')


def read(path: Path) -> list[Refusal]:
    return [msgspec.json.decode(line, type=Refusal) for line in path.read_bytes().splitlines()]


def test_a_rejection_is_written_unchanged(tmp_path):
    file = QuarantineFile(tmp_path)
    file.add([rejection()])
    assert file.unwritten == 1
    file.flush()
    assert read(tmp_path / FILE) == [rejection()]
    assert file.unwritten == 0


def test_each_rejection_is_written_once(tmp_path):
    file = QuarantineFile(tmp_path)
    file.flush()
    assert not (tmp_path / FILE).exists()
    file.add([rejection("a")])
    file.flush()
    file.flush()
    file.add([rejection("b")])
    file.flush()
    assert [each.topic for each in read(tmp_path / FILE)] == ["a", "b"]


def test_a_full_file_is_rotated_and_the_previous_one_is_removed(tmp_path):
    file = QuarantineFile(tmp_path, max_bytes=2_000)
    for at in range(300):
        file.add([rejection(at=at, reason="x" * 40)])
        file.flush()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert set(files) == {"quarantine.jsonl", "quarantine.old.jsonl"} or files == ["quarantine.old.jsonl"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 2_000 + 400
    assert file.rotations > 5
    current = read(tmp_path / FILE) if (tmp_path / FILE).exists() else []
    assert read(tmp_path / "quarantine.old.jsonl")[-1].at + 1 + len(current) == 300


def test_the_size_of_the_file_is_known(tmp_path):
    file = QuarantineFile(tmp_path)
    assert file.bytes == 0
    file.add([rejection(reason="x" * 500)])
    file.flush()
    assert file.bytes == (tmp_path / FILE).stat().st_size < 1_000


def test_while_the_disk_fails_the_newest_rejections_wait_and_the_others_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_UNWRITTEN", 2)
    file = QuarantineFile(tmp_path / "not a directory")
    (tmp_path / "not a directory").write_bytes(b"")
    file.add(rejection(topic) for topic in "abc")
    with pytest.raises(OSError, match="not a directory"):
        file.flush()
    assert (file.unwritten, file.unwritten_dropped) == (2, 1)
    (tmp_path / "not a directory").unlink()
    file.flush()
    assert [each.topic for each in read(file.data / FILE)] == ["b", "c"]
