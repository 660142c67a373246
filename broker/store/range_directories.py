"""Directories of ranges in a cluster's data directory: which of them hold what all ranges recorded.

A range is a set of consecutive shards. Each of its owners writes to a directory of its own, named by its epoch; the
latest has all that its predecessors made durable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

DIRECTORY: Final = "ranges"


def epochs(directory: Path) -> list[int]:
    """Return the epochs of the range with that directory that are complete, the oldest first."""
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit() and path.is_dir())


def is_cluster(data: Path) -> bool:
    """Return whether ranges of a cluster are in a data directory."""
    return (data / DIRECTORY).is_dir()


def is_shared(data: Path) -> bool:
    """Return whether machines may share a directory: that of a cluster, or of one epoch of a range."""
    return is_cluster(data) or data.absolute().parent.parent.name == DIRECTORY


def sources(data: Path) -> list[Path]:
    """Return the directories with the history of a data directory: itself, or in a cluster one for each range."""
    if not is_cluster(data):
        return [data]
    root = data / DIRECTORY
    ranges = sorted(path for path in root.iterdir() if path.name.isdigit())
    latest = ((path, epochs(path)) for path in ranges)
    return [path / f"{found[-1]:06d}" for path, found in latest if found]
