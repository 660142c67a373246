"""A pump's past as the detectors judged it: computed from history when a chart asks for it, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import polars as pl

Replayed = Callable[
    [pl.DataFrame, Collection[str], float, pl.DataFrame | None], tuple[pl.DataFrame, pl.DataFrame | None]
]
"""Judges samples of one pump: (samples, names of rules, window in s, state) -> (scores and bands by time, state)."""
Read = Callable[[str, int, int], pl.DataFrame]
"""Returns a pump's history between two therapy times."""
HOUR_MS: Final = 3_600_000
LEARNED_MS: Final = 48 * HOUR_MS
"""How much history before a range is judged first, so that baselines are known."""
LEARNING_S: Final = 7200.0
"""Length of a window of that time: baselines move slowly, and judging a window takes a millisecond or two."""
MIN_WINDOW_S: Final = 300.0
KEPT: Final = 8
"""Ranges that are kept for all viewers; each is some hundred rows."""


Key = tuple[str, int, float, tuple[str, ...]]
"""Pump, beginning, length of a window, rules."""


@dataclass(frozen=True)
class _Known:
    frame: pl.DataFrame
    state: pl.DataFrame | None
    until: int


@dataclass
class Replays:
    """Judges ranges of history with `replayed`; without one (a dashboard alone) there is nothing to see.

    The end of a range moves on with time; what is new is judged from where the last answer ended.
    """

    replayed: Replayed | None = None
    _known: OrderedDict[Key, _Known] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(
        self, read: Read, pump: str, span: tuple[int, int], rules: Collection[str] = (), windows: int = 300
    ) -> pl.DataFrame | None:
        """Return scores of `rules` and expected bands of a pump in a range of therapy time (ms); None if not computed.

        `read` returns its history; about as many `windows` as that are judged, none shorter than `MIN_WINDOW_S`.
        """
        if self.replayed is None:
            return None
        since, until = span
        window_s = max(MIN_WINDOW_S, (until - since) / 1000 / windows // MIN_WINDOW_S * MIN_WINDOW_S)
        # A range that moves with time begins at another millisecond each time: its beginning is rounded down.
        step = max(HOUR_MS, (until - since) // 8)
        key = (pump, since // step * step, window_s, tuple(sorted(rules)))
        with self._lock:
            known = self._known.pop(key, None)
            if known is None or until < known.until:
                known = self._judged(
                    _Known(pl.DataFrame(), None, key[1] - LEARNED_MS), read, key, until=key[1], window_s=LEARNING_S
                )
                known = _Known(known.frame.clear(), known.state, known.until)
            known = self._judged(known, read, key, until=until, window_s=window_s)
            self._known[key] = known
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known.frame.filter(pl.col("time").is_between(since, until))

    def _judged(self, known: _Known, read: Read, key: Key, *, until: int, window_s: float) -> _Known:
        """Return what is known with what came after it, up to `until`."""
        if self.replayed is None or until <= known.until:
            return known
        frame, state = self.replayed(read(key[0], known.until + 1, until), key[3], window_s, known.state)
        ended = known.until if frame.is_empty() else int(frame["time"][-1])
        return _Known(pl.concat([known.frame, frame]) if known.frame.width else frame, state, ended)
