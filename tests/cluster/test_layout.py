"""The directories of ranges: which shards lie in which, and what a successor takes over from a former owner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cluster import layout


@pytest.mark.parametrize("ranges", layout.RANGES)
def test_every_shard_lies_in_exactly_one_range(ranges: int) -> None:
    shards = [shard for number in range(ranges) for shard in layout.shards_of(number, ranges)]
    assert shards == list(range(64))
    assert all(shard in layout.shards_of(layout.range_of(shard, ranges), ranges) for shard in shards)


@pytest.mark.parametrize("ranges", [0, 3, 65, -1])
def test_another_number_of_ranges_is_refused_with_those_that_are_allowed(ranges: int) -> None:
    with pytest.raises(layout.LayoutError, match=f"{ranges} ranges are not possible; allowed are 1, 2, 4"):
        layout.check_ranges(ranges)


def test_a_shard_or_range_that_does_not_exist_is_refused() -> None:
    with pytest.raises(layout.LayoutError, match="shard 64 is not one of 0 to 63"):
        layout.range_of(64, 8)
    with pytest.raises(layout.LayoutError, match="range 8 is not one of 0 to 7"):
        layout.shards_of(8, 8)


def test_the_first_owner_of_a_range_begins_with_an_empty_directory(tmp_path: Path) -> None:
    assert list(layout.take_over(tmp_path, 3, 1).iterdir()) == []
    assert layout.epochs(tmp_path, 3) == [1]


def test_a_successor_takes_over_what_was_there(tmp_path: Path) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    second = layout.take_over(tmp_path, 0, 2)
    assert (second / "log" / "part-1").read_bytes() == b"written before"
    assert (second / "history" / "a.parquet").read_bytes() == b"samples"
    assert not (second / "processor.lock").exists()


def test_what_a_former_owner_writes_after_the_take_over_is_never_read(tmp_path: Path) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    second = layout.take_over(tmp_path, 0, 2)
    _append(first / "log" / "part-1", b" and much later")
    (first / "log" / "part-2").write_bytes(b"new")
    (first / "history" / "a.parquet").unlink()
    assert (second / "log" / "part-1").read_bytes() == b"written before"
    assert not (second / "log" / "part-2").exists()
    assert (second / "history" / "a.parquet").read_bytes() == b"samples"


@pytest.mark.parametrize("change", ["append", "replace", "remove", "add", "overwrite"])
def test_a_former_owner_that_wakes_up_meanwhile_is_copied_again_as_it_is_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    part, copy, copies = first / "log" / "part-1", shutil.copyfile, list[Path]()

    def copy_and_wake(old: Path, new: Path) -> None:
        copy(old, new)
        copies.append(old)
        if len(copies) == 1:
            _change(part, change)

    monkeypatch.setattr(shutil, "copyfile", copy_and_wake)
    second = layout.take_over(tmp_path, 0, 2)
    assert _contents(second) == _contents(first)


def test_what_a_former_owner_writes_right_before_the_copy_is_in_place_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    rename, renames = Path.rename, list[Path]()

    def write_and_rename(old: Path, new: Path) -> Path:
        renames.append(new)
        if len(renames) == 1:
            _append(first / "log" / "part-1", b" and read by a merger")
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", write_and_rename)
    second = layout.take_over(tmp_path, 0, 2)
    assert _contents(second) == _contents(first)
    assert layout.epochs(tmp_path, 0) == [1, 2]


def test_a_former_owner_that_never_stops_writing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    copy = shutil.copyfile

    def copy_and_write(old: Path, new: Path) -> None:
        copy(old, new)
        _append(old, b"!")

    monkeypatch.setattr(shutil, "copyfile", copy_and_write)
    with pytest.raises(layout.LayoutError, match="its former owner still runs"):
        layout.take_over(tmp_path, 0, 2)
    assert layout.epochs(tmp_path, 0) == [1]


def test_a_take_over_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    unfinished = layout.range_directory(tmp_path, 0) / ".000002.new"
    unfinished.mkdir()
    (unfinished / "half").write_bytes(b"")
    assert layout.epochs(tmp_path, 0) == [1]
    second = layout.take_over(tmp_path, 0, 2)
    assert not (second / "half").exists()
    assert (second / "log" / "part-1").exists()


def test_an_epoch_that_is_not_later_is_refused(tmp_path: Path) -> None:
    layout.take_over(tmp_path, 0, 5)
    with pytest.raises(layout.LayoutError, match="is at epoch 5, and the lease gives 5: another cluster"):
        layout.take_over(tmp_path, 0, 5)


def _fill(directory: Path) -> None:
    for folder in ("log", "history"):
        (directory / folder).mkdir()
    (directory / "log" / "part-1").write_bytes(b"written before")
    # Not just now: a file system tells times apart only by its own tick.
    os.utime(directory / "log" / "part-1", (0, 0))
    (directory / "history" / "a.parquet").write_bytes(b"samples")
    (directory / ".snapshot.new").write_bytes(b"unfinished")
    (directory / "processor.lock").write_bytes(b"")


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _change(path: Path, how: str) -> None:
    if how == "append":
        _append(path, b" and after")
    elif how == "remove":
        path.unlink()
    elif how == "add":
        path.with_name("part-2").write_bytes(b"new")
    elif how == "overwrite":
        path.write_bytes(b"WRITTEN BEFORE")
    else:
        fresh = path.with_name(".fresh")
        fresh.write_bytes(b"replaced whole")
        fresh.replace(path)


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in ("processor.lock", ".snapshot.new")
    }
