"""Durable writes, which survive a power failure: write aside, sync, rename, sync the directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

ASIDE: Final = ".new"


def replace(path: Path, write: Callable[[Path], object]) -> int:
    """Let `write` fill a file beside `path`, then replace `path` with it in one step; return its bytes.

    After this returns, the file is complete even if the power fails; before, the old one is there, or none. If writing
    fails, the unfinished file is removed: on a full disk it would prevent the next attempt. Raises `OSError` if the
    disk refuses anything.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}{ASIDE}")
    try:
        write(fresh)
        sync(fresh)
        size = fresh.stat().st_size
        fresh.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        # Only the disk can refuse a frame in memory, but for a full disk Polars reports a file "out of specification".
        # A command that writes no frame does not load polars for this: that takes as long as all the rest of it.
        polars = sys.modules.get("polars")
        if polars is not None and isinstance(error, polars.exceptions.PolarsError):
            raise OSError(f"{path.name} could not be written ({error})") from error
        raise
    sync(path.parent)
    return size


def sweep(directory: Path) -> int:
    """Remove unfinished files below a directory, as after a power failure; return how many there were.

    Only the one writer of the directory may call this. Nobody relied on these files: they were not in place yet.
    """
    found = list(directory.rglob(f".*{ASIDE}"))
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def sync(path: Path) -> None:
    """Have the disk keep a file or a directory; raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
