"""This file makes a written file survive a power cut: written aside, synced, renamed, its directory synced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace(path: Path, write: Callable[[Path], object]) -> int:
    """Let `write` fill a file beside `path`, then put it in the place of `path` in one step; return its bytes.

    After this returns, the file is there in full even if the power fails; before, the old one is, or none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    write(fresh)
    _sync(fresh)
    size = fresh.stat().st_size
    fresh.replace(path)
    _sync(path.parent)
    return size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
