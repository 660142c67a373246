"""Limits of the system on the number of connections: open files of a process and local ports."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path
from typing import Final

SPARE_FILES: Final = 100
"""Open files of a part besides its connections."""
PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def raise_open_files() -> None:
    """Allow this process, and those that it starts, as many open files as the system permits."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def shortage(connections: int, *, files: int = 0, ports: Path = PORT_RANGE) -> str:
    """Return why this process cannot open that many connections to one broker, and what to do; empty if it can.

    `files` is the number of files that it opens besides.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + files + SPARE_FILES
    if limit not in {resource.RLIM_INFINITY, -1} and needed > limit:
        return f"a process may open {limit:,} files here, and {needed:,} are needed; raise the limit (ulimit -Hn)"
    try:
        low, high = map(int, ports.read_text("ascii").split())
    except (OSError, ValueError):
        return ""
    if connections > high - low + 1:
        return (
            f"this machine has {high - low + 1:,} local ports ({low:,} to {high:,}) for connections to one broker; "
            "widen the range (sysctl net.ipv4.ip_local_port_range)"
        )
    return ""
