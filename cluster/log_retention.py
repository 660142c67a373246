"""Retention of the cluster's log: how much of it is kept, and for how long, chosen once for all nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from broker.store import durable_write

FILE: Final = "cluster-log.json"
SHARE: Final = 0.75
"""Of the smallest store of a server; the rest is for leases, sessions and retained messages."""
BYTES_A_GB: Final = 1e9
S_AN_HOUR: Final = 3600.0


class RetentionError(Exception):
    """A retention that cannot be used; the text says why, and what to do."""


class Retention(msgspec.Struct, frozen=True):
    """The largest size (GB) and age (hours) of the log; 0: as large as the servers' stores allow, and for ever.

    None is what nobody has chosen: a limit that somebody gave the servers then stays.
    """

    size_gb: float | None = None
    hours: float | None = None

    def bytes_of(self, stores: Sequence[int], own: int) -> int:
        """Return the limit in bytes for servers with these stores, which now have the limit `own` (-1 for none)."""
        most = round(SHARE * min(stores))
        if self.size_gb is not None:
            return min(most, round(self.size_gb * BYTES_A_GB) or most)
        return min(most, own) if own > 0 else most

    def nanoseconds_of(self, own: int) -> int:
        """Return the largest age in nanoseconds, 0 for none; `own` is what the servers have now."""
        return own if self.hours is None else round(self.hours * S_AN_HOUR * 1e9)


def read(data: Path) -> Retention:
    """Return what was chosen for a cluster's data directory; raises `RetentionError` if that cannot be read."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Retention)
    except FileNotFoundError:
        return Retention()
    except (OSError, msgspec.DecodeError) as error:
        raise RetentionError(
            f"{data / FILE} cannot be read: {error}; remove it and start a node with --cluster-log-size and "
            "--cluster-log-hours"
        ) from error


def choose(data: Path, wanted: Retention, stores: Sequence[int]) -> Retention:
    """Choose a retention for all nodes from now on, and return it; what is None stays as it was chosen before.

    Raises `RetentionError` if servers with these stores have no room for it, `OSError` if it cannot be written.
    """
    known = read(data)
    size_gb = known.size_gb if wanted.size_gb is None else wanted.size_gb
    hours = known.hours if wanted.hours is None else wanted.hours
    most_gb = SHARE * min(stores) / BYTES_A_GB
    if wanted.size_gb is not None and wanted.size_gb > most_gb:
        raise RetentionError(
            f"a log of {wanted.size_gb:g} GB does not fit: the smallest of the servers' stores (max_file_store) has "
            f"{min(stores) / BYTES_A_GB:.3g} GB, and a quarter of it is for leases and sessions; give "
            f"--cluster-log-size at most {most_gb:.3g}, or the servers larger stores"
        )
    chosen = Retention(size_gb, hours)
    if chosen != known:
        content = msgspec.json.encode(chosen) + b"\n"
        durable_write.replace(data / FILE, lambda aside: aside.write_bytes(content))
    return chosen
