"""Rights on the files of a data directory: whatever the umask was when they were written, only their owner has any."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from broker.store.secret_files import OTHERS

OURS: Final = (
    *(
        "accounts.json*",
        "action.pub",
        "alarm-database*",
        "backup.lock",
        "broker",
        "checkpoint*",
        "clinic-days.json",
        "client-id",
        "cluster.json",
        "ranges",
    ),
    *("dashboard.*", "drills*", "format.json", "handovers", "history*", "in-hand", "journal.sqlite*", "log*"),
    *("playback.json*", "poison.json", "processor.lock", "quarantine*.jsonl", "rollup*", "run.json*", "run.lock"),
    *("load", "notifications.*", "notifier.lock"),
    *("scenarios*", "secrets", "silences*", "snapshot*", "truth.jsonl*", ".backup", ".doctor"),
)
"""Names in a data directory that Pumpwatch writes; nothing else in it is touched."""


def tighten(data: Path) -> int:
    """Take all rights of group and others from what Pumpwatch wrote in a data directory; return from how many files.

    The data directory itself is included if there is nothing else in it. Files of other users stay as they are.
    """
    changed = 0
    with contextlib.suppress(OSError):
        names = [path.name for path in data.iterdir()]
        paths = [data / name for name in names if is_ours(name)]
        if paths and len(paths) == len(names):
            changed += _tighten(data)
        changed += sum(_tighten(path) for top in paths for path in _tree(top))
    return changed


def exposed(data: Path) -> list[Path]:
    """Return what Pumpwatch wrote in a data directory and others may read or write, a directory without its content."""
    if not data.is_dir():
        return []
    tops = [data / name for name in sorted(path.name for path in data.iterdir()) if is_ours(name)]
    return [path for path in tops if _mode(path) & OTHERS]


def is_ours(name: str) -> bool:
    """Return whether Pumpwatch writes a file of this name in a data directory."""
    return any(fnmatch(name, pattern) for pattern in OURS)


def _tree(top: Path) -> Iterator[Path]:
    yield top
    if top.is_dir() and not top.is_symlink():
        for folder, folders, files in os.walk(top):
            yield from (Path(folder, name) for name in (*folders, *files))


def _tighten(path: Path) -> int:
    """Take the rights of others from one file; return 1 if that was necessary and possible."""
    # Other parts run meanwhile, so it may be gone; and it may belong to somebody else.
    with contextlib.suppress(OSError):
        mode = _mode(path)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)
            return 1
    return 0


def _mode(path: Path) -> int:
    """Return the rights on a file; a symbolic link has none of its own."""
    found = path.lstat()
    return 0 if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode)
