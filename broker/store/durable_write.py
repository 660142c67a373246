"""This file makes a written file survive a power cut: written aside, synced, renamed, its directory synced."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

ASIDE: Final = ".new"


def replace(path: Path, write: Callable[[Path], object]) -> int:
    """Let `write` fill a file beside `path`, then put it in the place of `path` in one step; return its bytes.

    After this returns, the file is there in full even if the power fails; before, the old one is, or none. Where it
    fails, what was written aside is removed again: on a full disk it would be in the way of the next attempt.
    Raises `OSError` for all that the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}{ASIDE}")
    try:
        write(fresh)
        _sync(fresh)
        size = fresh.stat().st_size
        fresh.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        # A frame that is there is refused by the disk alone, but of a full one Polars says that the file is "out of
        # specification".
        if isinstance(error, pl.exceptions.PolarsError):
            raise OSError(f"{path.name} could not be written ({error})") from error
        raise
    _sync(path.parent)
    return size


def sweep(directory: Path) -> int:
    """Remove what was being written below a directory when the power failed; return how many things that were.

    Only its one writer may call this. None of it was promised to anyone: it was not in place yet.
    """
    found = list(directory.rglob(f".*{ASIDE}"))
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
