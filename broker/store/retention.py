"""Retention of the history: which days and hours are removed, how fast, and the record of what was removed.

No single sample and no single clock decides. Age is counted in days that hold samples: `max_days` of them are kept
before the current day, and only days that the fleet's therapy clock has reached count. So a sample from 2098 does not
count, because the clock is not there; and a clock that is set far ahead removes nothing, because no days were recorded
on the way. If both are wrong, the lone day takes the place of one other. After a pause in recording, days are kept
longer than the calendar says. Days ahead of the clock stay readable, and are removed only if they fill the disk.

Whatever the reason, at most a tenth is removed within a minute.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from broker.store.segments import DAY_MS

SHARE: Final = 10
"""At most one in so many days, and of the bytes that a minute began with, is removed within a minute."""
PERIOD_MS: Final = 60_000
AHEAD_SHARE: Final = 10
"""Days ahead of the clock may take up to a tenth of the limit for samples; above, they are removed before others."""
TOLERANCE_MS: Final = DAY_MS
"""A day is ahead if it begins more than this after the fleet's clock: pumps and gateways may differ by some hours."""
MAX_LISTED: Final = 10
"""Days that the text about a removal lists; it says how many more there were."""


@dataclass
class Pace:
    """Limits how much is removed within a minute of the wall clock, wherever that clock is set to."""

    _since: int | None = None
    _began_with: int = 0

    def is_over(self, stamp: int) -> bool:
        """Return whether a minute is over, and begin the next; the first call only begins one."""
        if self._since is None:
            self._since = stamp
        over = abs(stamp - self._since) >= PERIOD_MS
        if over:
            self._since = stamp
        return over

    def floor(self, present: int, stamp: int) -> int:
        """Return the bytes that must be left at the end of this minute, of those that are `present` at its begin."""
        first = self._since is None
        if self.is_over(stamp) or first:
            self._began_with = present
        return self._began_with - self._began_with // SHARE


@dataclass
class Removed:
    """What was removed for one reason: the days it was of, and the bytes."""

    reason: str
    days: set[str] = field(default_factory=set)
    bytes: int = 0

    def __str__(self) -> str:
        days = sorted(self.days)
        rest = f" and {len(days) - MAX_LISTED:,} more until {days[-1]}" if len(days) > MAX_LISTED else ""
        return f"{', '.join(days[:MAX_LISTED])}{rest}: {self.bytes:,} bytes removed; {self.reason}"


@dataclass
class Record:
    """Removes directories, and collects what went, by reason, until it is taken; may be used by several threads.

    `before` is called with each directory that is about to be removed.
    """

    before: Callable[[Path], None] = lambda _place: None
    _removed: dict[str, Removed] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remove(self, place: Path, reason: str, count: Callable[[int], None]) -> None:
        """Remove the directory of a day, an hour or a week; `count` takes by how many bytes the history grew.

        Raises `OSError` if something could not be removed; what did go is recorded and counted all the same.
        """
        self.before(place)
        before = size([place])
        try:
            shutil.rmtree(place)
        finally:
            freed = before - size([place])
            count(-freed)
            self._add(place, freed, reason)
        remove_empty(place.parent)

    def _add(self, place: Path, freed: int, reason: str) -> None:
        day = place.parent if place.name.startswith("hour=") else place
        with self._lock:
            removed = self._removed.setdefault(reason, Removed(reason))
            removed.days.add(day.name.removeprefix("date=").replace("week=", "week of "))
            removed.bytes += freed

    def take(self) -> list[Removed]:
        """Return what was removed since the last call."""
        with self._lock:
            removed, self._removed = list(self._removed.values()), {}
        return removed


def days_of(root: Path) -> list[Path]:
    """Return the directories of all days, oldest first; directories with other names are no days."""
    return sorted(path for path in root.glob("date=*") if path.is_dir() and _began(path) is not None)


def current(days: Iterable[Path], clock_ms: int | None) -> Path | None:
    """Return the newest day that is not ahead of the fleet's clock: all others are over.

    If all are ahead, the clock is wrong or not known yet, and the newest of all is returned.
    """
    listed = list(days)
    return max(_reached(listed, clock_ms) or listed, default=None)


def expired(days: list[Path], clock_ms: int | None, max_days: int) -> list[Path]:
    """Return the days to remove now because of their age, oldest first: never more than a share of all.

    `clock_ms` is the fleet's therapy clock; while it is not known, nothing expires.
    """
    if not max_days or clock_ms is None:
        return []
    return _reached(days, clock_ms)[: -max_days - 1][: max(1, len(days) // SHARE)]


def oldest(days: list[Path], clock_ms: int | None, ahead_bytes: int) -> Path | None:
    """Return the hour, or the day if it is merged, to remove next because the disk is to hold no more.

    Days ahead of the clock come first while they take more than `ahead_bytes`. The newest hour of the current day is
    never removed.
    """
    kept = current(days, clock_ms)
    reached = set(_reached(days, clock_ms))
    ahead = [day for day in days if day not in reached and day != kept]
    excess = bool(ahead) and size(ahead) > ahead_bytes
    for day in [*ahead, *days] if excess else days:
        hours = sorted(day.glob("hour=*"))
        whole = any(day.glob("day-*.parquet")) or not hours
        if day != kept:
            return day if whole else hours[0]
        if not whole and len(hours) > 1:
            return hours[0]
    return None


def size(places: Iterable[Path]) -> int:
    """Return the bytes of all segments in these directories."""
    found = 0
    for file in (file for place in places for file in place.rglob("*.parquet")):
        # Another thread may remove a merged file just now.
        with contextlib.suppress(FileNotFoundError):
            found += file.stat().st_size
    return found


def remove_empty(directory: Path) -> None:
    """Remove a directory and its parents while they are empty directories of an hour or a day."""
    while directory.name.startswith(("hour=", "date=")) and directory.exists() and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent


def _reached(days: list[Path], clock_ms: int | None) -> list[Path]:
    """Return the days that are not ahead of the fleet's clock; all of them if it is not known."""
    if clock_ms is None:
        return days
    return [day for day in days if (began := _began(day)) is not None and began <= clock_ms + TOLERANCE_MS]


def _began(day: Path) -> int | None:
    """Return when a day began (therapy ms), or None if the directory is not named like a day."""
    try:
        began = date.fromisoformat(day.name.removeprefix("date="))
    except ValueError:
        return None
    return int(datetime(began.year, began.month, began.day, tzinfo=UTC).timestamp()) * 1000
