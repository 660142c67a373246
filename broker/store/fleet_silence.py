"""How many pumps are silent: what each range of a cluster counts, and what the merger makes of all counts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from broker.store.range_directories import DIRECTORY

FILE: Final = "fleet.json"
"""In the directory of the ranges."""


class SilenceCount(msgspec.Struct, frozen=True):
    """Monitored and silent pumps of one range, and how many of its `gateways` have any that are silent.

    `onset` is when the last of the silent pumps was heard, `time` the present (both therapy ms). `away` says that the
    processor has no broker: then nothing is known of its pumps, and all count as silent.
    """

    pumps: int = 0
    silent: int = 0
    gateways: int = 0
    onset: int = 0
    time: int = 0
    away: bool = False


class FleetSilence(msgspec.Struct, frozen=True):
    """Monitored and silent pumps of all ranges, as of `time`; `offline` says that no range has its broker.

    `onset` (therapy ms) stays the same as long as the condition stands, so that all ranges raise one and the same
    alarm about it.
    """

    pumps: int
    silent: int
    offline: bool
    onset: int
    time: int


def write(data: Path, found: FleetSilence) -> None:
    """Write what is known of the fleet for the processors of all ranges, in one step; raises `OSError`.

    It is not synced: after a power failure, silence is counted from the start again.
    """
    path = data / DIRECTORY / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{FILE}.new")
    fresh.write_bytes(msgspec.json.encode(found))
    fresh.replace(path)


def read(data: Path) -> FleetSilence | None:
    """Return what the merger last wrote; None if there is nothing that can be read."""
    try:
        return msgspec.json.decode((data / DIRECTORY / FILE).read_bytes(), type=FleetSilence)
    except (OSError, msgspec.DecodeError):
        return None
