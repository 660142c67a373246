"""`parts.json`: which parts of a running system keep exiting or refuse to run, written by the supervisor for pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from broker.store import file_lock

FILE: Final = "parts.json"
RUN_LOCK: Final = "run.lock"
"""Held by the supervisor of a data directory as long as it runs."""
MAX_TEXT: Final = 300
MAX_FILE_BYTES: Final = 64 * 1024


class PartTrouble(msgspec.Struct, frozen=True):
    """A part that is in trouble: its name, what happened, and when it is tried again (wall ms; 0 if it is not)."""

    part: str
    text: str
    retry_at: int = 0


def write(data: Path, troubles: Sequence[PartTrouble]) -> None:
    """Replace the file; not synced, because it means nothing once the supervisor has ended. Raises `OSError`."""
    short = [PartTrouble(each.part, each.text[:MAX_TEXT], each.retry_at) for each in troubles]
    fresh = data / f".{FILE}.new"
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(short))
    fresh.replace(data / FILE)


def remove(data: Path) -> None:
    """Remove the file."""
    (data / FILE).unlink(missing_ok=True)


def read(data: Path) -> list[PartTrouble]:
    """Return the troubles of the system that runs on a data directory; the file of one that was killed is ignored."""
    path = data / FILE
    try:
        if path.stat().st_size > MAX_FILE_BYTES or not file_lock.held(data / RUN_LOCK):
            return []
        return msgspec.json.decode(path.read_bytes(), type=list[PartTrouble])
    except (OSError, msgspec.DecodeError):
        return []
