"""The directories of ranges: which shards lie in which, and what a successor takes over from a former owner."""

from __future__ import annotations

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


def test_what_a_former_owner_writes_after_the_seal_is_never_read(tmp_path: Path) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    layout.seal(tmp_path, 0, 1)
    _append(first / "log" / "part-1", b" and after")
    (first / "log" / "part-2").write_bytes(b"new")
    second = layout.take_over(tmp_path, 0, 2)
    _append(first / "log" / "part-1", b" and much later")
    (first / "history" / "a.parquet").unlink()
    assert (second / "log" / "part-1").read_bytes() == b"written before"
    assert not (second / "log" / "part-2").exists()
    assert (second / "history" / "a.parquet").read_bytes() == b"samples"


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


def test_a_file_that_shrank_after_the_seal_stops_the_take_over(tmp_path: Path) -> None:
    first = layout.take_over(tmp_path, 0, 1)
    _fill(first)
    layout.seal(tmp_path, 0, 1)
    (first / "log" / "part-1").write_bytes(b"less")
    with pytest.raises(OSError, match="had 14 bytes when it was sealed and has 4 now"):
        layout.take_over(tmp_path, 0, 2)
    assert layout.epochs(tmp_path, 0) == [1]


def _fill(directory: Path) -> None:
    for folder in ("log", "history"):
        (directory / folder).mkdir()
    (directory / "log" / "part-1").write_bytes(b"written before")
    (directory / "history" / "a.parquet").write_bytes(b"samples")
    (directory / ".snapshot.new").write_bytes(b"unfinished")
    (directory / "processor.lock").write_bytes(b"")


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
