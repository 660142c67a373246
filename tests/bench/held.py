"""Processes held to a share of a core by a control group, and the CPU time that they used."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
PERIOD_US: Final = 50_000


@contextlib.contextmanager
def group(cores: float) -> Iterator[Path]:
    """Make a control group whose processes together get `cores` at most; yield its directory.

    Raises `OSError` if this machine lets nobody make one.
    """
    old = (ROOT / "cpu").is_dir()
    path = (ROOT / "cpu" if old else ROOT) / f"pumpwatch-bench-{uuid.uuid4().hex[:8]}"
    path.mkdir()
    try:
        quota_us = round(cores * PERIOD_US)
        if old:
            (path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (path / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (path / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        yield path
    finally:
        # It can be removed once its processes have ended, as those of the caller have by then.
        path.rmdir()


def hold(path: Path, pid: int) -> None:
    """Move a process with its threads into a group."""
    (path / "cgroup.procs").write_text(str(pid))


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process, user and system, in s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
