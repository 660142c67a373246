"""Layout of a cluster's data directory: ranges of shards, and a directory for each epoch.

A range is a set of consecutive shards. Each owner of a range writes to a directory of its own, named by its epoch, so
that a former owner that wakes up cannot touch what its successor writes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Final

from broker.contract.topics import SHARDS
from broker.store import durable_write, range_directories

RANGES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Allowed numbers of ranges: they divide the shards evenly."""
DIRECTORY: Final = range_directories.DIRECTORY
REPLACED_WHOLE: Final = frozenset({".parquet"})
"""Endings of files that are only ever replaced as a whole, never appended to: a hard link to one keeps its content."""
UNSHARED: Final = frozenset({"processor.lock"})
"""Names of files that belong to one process and not to the state of the range."""

KEPT: Final = 2
"""Epochs of a range that are kept: the latest and the one that it was made from."""
ATTEMPTS: Final = 5
"""Of copying a directory in which something changes meanwhile."""


class LayoutError(Exception):
    """A range or an epoch that cannot be used; the message says why, and what to do."""


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
    return range_directories.epochs(range_directory(data, number))


def prune(data: Path, number: int) -> None:
    """Remove the directories of a range before the last `KEPT`; a former owner that still writes there loses nothing.

    What cannot be removed is left to the next take-over.
    """
    for epoch in epochs(data, number)[:-KEPT]:
        shutil.rmtree(epoch_directory(data, number, epoch), ignore_errors=True)


def take_over(data: Path, number: int, epoch: int) -> Path:
    """Make the directory of `epoch` from the latest one of a range, in one step, and return it.

    The caller owns the lease of that epoch. What a former owner writes afterwards is never read. Raises `LayoutError`
    if the range is at that epoch or a later one already or its former owner goes on writing, `OSError` if the disk
    refuses; then nothing has changed and it may be tried again.
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
    if known:
        _inherit(epoch_directory(data, number, known[-1]), aside, target)
    else:
        _empty(aside)
        aside.rename(target)
    durable_write.sync(target.parent)
    return target


def _inherit(source: Path, aside: Path, target: Path) -> None:
    """Copy a directory as it was when the copy came into place; what changed before that is copied again.

    At most `ATTEMPTS` times. What readers saw of the former owner until then is in the copy.
    """
    for _ in range(ATTEMPTS):
        before = _state_of(source)
        _empty(aside)
        # A file that vanishes was replaced or removed, so that the comparison fails as well.
        with contextlib.suppress(FileNotFoundError):
            for folder in [aside, *(_bring(source / name, aside / name) for name in before)]:
                durable_write.sync(folder)
            if _state_of(source) != before:
                continue
            aside.rename(target)
            # Between the comparison and the rename somebody may have written, and somebody else read it.
            if _state_of(source) == before and source.is_dir():
                return
            target.rename(aside)
    raise LayoutError(
        f"{source} changes all the time: its former owner still runs and does not know that its lease is over; "
        "stop that process, then this range is taken over"
    )


def _state_of(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Return which file each name stands for, its bytes, and when it was written."""
    found: dict[str, tuple[int, int, int]] = {}
    for path in sorted(directory.rglob("*")):
        # A file that is written aside is not in place yet, so nobody relies on it.
        if path.name in UNSHARED or path.name.endswith(durable_write.ASIDE):
            continue
        with contextlib.suppress(FileNotFoundError):
            facts = path.stat()
            if stat.S_ISREG(facts.st_mode):
                found[str(path.relative_to(directory))] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return found


def _bring(old: Path, new: Path) -> Path:
    """Link or copy one file; return the folder in which it is now."""
    new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if new.suffix in REPLACED_WHOLE:
        os.link(old, new)
    else:
        shutil.copyfile(old, new)
        new.chmod(0o600)
        durable_write.sync(new)
    return new.parent


def _empty(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
