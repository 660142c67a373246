"""Readings: what a part reports when its metrics are read, and distributions that are counted in between."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations."""
LIVES: Final = 60.0
"""A loop without a heartbeat for so many seconds is stuck: nothing in a part takes that long."""


@dataclass
class Distribution:
    """Counts of durations by bucket; `bounds` are inclusive upper bounds in s, and one more bucket has the rest."""

    bounds: tuple[float, ...] = SECONDS
    counts: npt.NDArray[np.int64] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.bounds) + 1, dtype=np.int64)

    def add(self, *seconds: float) -> None:
        """Count durations."""
        self.add_all(np.asarray(seconds, dtype=np.float64))

    def add_all(self, seconds: npt.NDArray[np.float64]) -> None:
        """Count many durations at once."""
        places = np.searchsorted(self.bounds, seconds, side="left")
        self.counts += np.bincount(places, minlength=len(self.counts))
        self.total += float(seconds.sum())

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bound and cumulative count of each bucket, the last one +Inf."""
        names = [*(f"{bound}" for bound in self.bounds), "+Inf"]
        return list(zip(names, itertools.accumulate(self.counts.astype(float).tolist()), strict=True))


@dataclass(frozen=True)
class Reading:
    """Value of one series of a metric of the table; `labels` are in the order of the table.

    `range` is the range of a cluster that it is about, such as "03", empty if it is about none.
    """

    name: str
    value: float | Distribution
    labels: tuple[str, ...] = ()
    range: str = ""


@dataclass
class Rising:
    """A counter from a number that may also fall, as counts of pumps do when one is retired: only rises count."""

    value: float = 0.0
    _last: float | None = None

    def after(self, number: float) -> float:
        """Return the counter after the number has become this."""
        if self._last is not None:
            self.value += max(0.0, number - self._last)
        self._last = number
        return self.value


@dataclass
class Vitals:
    """What a part tells those who watch it: its readings, why it is not useful, and whether its loop still beats.

    The part sets `read` and `problems` once it has something to tell. `problems` returns codes such as `broker_away`,
    none if the part is useful. `beat` is the monotonic time (s) of the latest turn of its loop, None if it has none.
    """

    part: str
    read: Callable[[], Iterable[Reading]] = tuple
    problems: Callable[[], list[str]] = lambda: ["starting"]
    beat: float | None = None

    def stands_still(self, clock: float) -> bool:
        """Return whether the part has not turned its loop for too long at `clock` (monotonic, s)."""
        return self.beat is not None and clock - self.beat > LIVES


def disk(directory: Path) -> tuple[int, int]:
    """Return the free and the usable bytes of the disk of a directory; 0 and 0 if it cannot be reached."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return 0, 0
    # Reserved blocks are neither used nor free.
    return usage.free, usage.used + usage.free
