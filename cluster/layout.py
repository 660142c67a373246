"""Layout of a cluster's data directory: ranges of shards, a directory for each epoch, and seals of former ones.

A range is a set of consecutive shards. Each owner of a range writes to a directory of its own, named by its epoch, so
that a former owner that wakes up cannot touch what its successor writes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from broker.contract.topics import SHARDS
from broker.store import durable_write

RANGES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Allowed numbers of ranges: they divide the shards evenly."""
DIRECTORY: Final = "ranges"
REPLACED_WHOLE: Final = frozenset({".parquet"})
"""Endings of files that are only ever replaced as a whole, never appended to: a hard link to one keeps its content."""
UNSHARED: Final = frozenset({"processor.lock"})
"""Names of files that belong to one process and not to the state of the range."""

COPY_BYTES: Final = 1024 * 1024


class LayoutError(Exception):
    """A range or an epoch that cannot be used; the message says why, and what to do."""


class Seal(msgspec.Struct, frozen=True):
    """What an epoch's directory contained when its successor took over: bytes of each file by its path."""

    epoch: int
    files: dict[str, int]


def check_ranges(ranges: int) -> int:
    """Return the number of ranges, or raise `LayoutError` if it is not allowed."""
    if ranges not in RANGES:
        raise LayoutError(f"{ranges} ranges are not possible; allowed are {', '.join(map(str, RANGES))}")
    return ranges


def range_of(shard: int, ranges: int) -> int:
    """Return the range in which a shard lies."""
    if not 0 <= shard < SHARDS:
        raise LayoutError(f"shard {shard} is not one of 0 to {SHARDS - 1}")
    return shard * check_ranges(ranges) // SHARDS


def shards_of(number: int, ranges: int) -> range:
    """Return the shards of a range."""
    width = SHARDS // check_ranges(ranges)
    if not 0 <= number < ranges:
        raise LayoutError(f"range {number} is not one of 0 to {ranges - 1}")
    return range(number * width, (number + 1) * width)


def range_directory(data: Path, number: int) -> Path:
    """Return the directory that holds the epochs of a range."""
    return data / DIRECTORY / f"{number:02d}"


def epoch_directory(data: Path, number: int, epoch: int) -> Path:
    """Return the data directory of a range's owner in that epoch."""
    return range_directory(data, number) / f"{epoch:06d}"


def epochs(data: Path, number: int) -> list[int]:
    """Return the epochs of a range that have a complete directory, the oldest first."""
    directory = range_directory(data, number)
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit() and path.is_dir())


def take_over(data: Path, number: int, epoch: int) -> Path:
    """Seal the latest epoch of a range, make the directory of `epoch` from it, and return that.

    The caller owns the lease of that epoch. What a former owner writes after the seal is never read. Raises
    `LayoutError` if the range is at that epoch or a later one already, `OSError` if the disk refuses.
    """
    known = epochs(data, number)
    target = epoch_directory(data, number, epoch)
    if known and known[-1] >= epoch:
        raise LayoutError(
            f"range {number} of {data} is at epoch {known[-1]}, and the lease gives {epoch}: another cluster uses this "
            "directory, or the leases were lost; give each cluster a data directory of its own"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}{durable_write.ASIDE}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    if known:
        _inherit(epoch_directory(data, number, known[-1]), seal(data, number, known[-1]), aside)
    aside.rename(target)
    _sync(target.parent)
    return target


def seal(data: Path, number: int, epoch: int) -> Seal:
    """Return the seal of an epoch; it is made at the first call and stays as it is.

    It lies beside the directory, not in it, where the former owner might write.
    """
    path = range_directory(data, number) / f"{epoch:06d}.seal.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Seal)
    made = Seal(epoch, _lengths(epoch_directory(data, number, epoch)))
    durable_write.replace(path, lambda aside: aside.write_bytes(msgspec.json.encode(made)))
    return made


def _lengths(directory: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sorted(directory.rglob("*")):
        # A file that is written aside is not in place yet, so nobody relies on it.
        if path.is_file() and path.name not in UNSHARED and not path.name.endswith(durable_write.ASIDE):
            found[str(path.relative_to(directory))] = path.stat().st_size
    return found


def _inherit(source: Path, sealed: Seal, target: Path) -> None:
    """Bring the sealed files of an epoch into the next one's directory, each with the length that it had."""
    folders = {target}
    for name, length in sealed.files.items():
        old, new = source / name, target / name
        new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folders.add(new.parent)
        if new.suffix in REPLACED_WHOLE:
            os.link(old, new)
            continue
        with old.open("rb") as reading, new.open("xb") as writing:
            new.chmod(0o600)
            _copy(reading, writing, length)
            writing.flush()
            os.fsync(writing.fileno())
        if new.stat().st_size != length:
            raise OSError(f"{old} had {length:,} bytes when it was sealed and has {new.stat().st_size:,} now")
    for folder in folders:
        _sync(folder)


def _copy(reading: BinaryIO, writing: BinaryIO, length: int) -> None:
    """Copy the first `length` bytes."""
    left = length
    while left and (block := reading.read(min(left, COPY_BYTES))):
        writing.write(block)
        left -= len(block)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
