"""Samples of several days for the tests of the history, and its background work."""

from __future__ import annotations

from broker.store.history import LINGER_MS, History
from broker.store.segments import HOUR_MS

START_MS = 1_767_225_600_000


def days_of(history: History, samples, days: int, *, pumps: str = "AB", every_ms: int = HOUR_MS // 4) -> None:
    """Append some days of samples whose flow counts them, hour by hour."""
    for hour in range(24 * days):
        times = [START_MS + hour * HOUR_MS + at for at in range(0, HOUR_MS, every_ms)]
        numbers = [(time - START_MS) // every_ms for time in times]
        for pump in pumps:
            history.append(samples(pump=[pump] * len(times), time=times, seq=numbers, flow_ul_h=numbers), hour)


def close_all(history: History) -> None:
    """Do all that is to be done in the background, and let what was merged go."""
    for stamp in (1_000_000, 1_000_000 + LINGER_MS):
        while history.merge(stamp):
            pass
