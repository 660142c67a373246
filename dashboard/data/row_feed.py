"""Rows of a list that browsers follow: each gets what changed since its cursor, in bounded answers."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MAX_ROWS_PER_ANSWER: Final = 1000
"""Rows of one answer; a browser asks again for the rest."""
MAX_REMOVALS: Final = 20_000
"""Removed rows that are remembered; a browser that missed more gets all rows again."""


@dataclass
class _Row:
    number: int
    values: tuple[Any, ...]
    added: int
    changed: list[int]

    @property
    def last(self) -> int:
        return max(self.changed)


@dataclass
class RowFeed:
    """The rows of a list, each under a key, with the place in the sequence of changes at which each field changed.

    `fields` names the values of a row; the first is the key. `run` identifies this feed: a browser that followed
    another one gets all rows again.
    """

    fields: tuple[str, ...]
    run: int
    left_out: int = 0
    _tick: int = 0
    _numbers: int = 0
    _rows: OrderedDict[str, _Row] = field(default_factory=OrderedDict)
    _removed: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MAX_REMOVALS))
    _forgotten: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self, rows: Iterable[Sequence[Any]], left_out: int = 0) -> None:
        """Replace all rows; `left_out` is how many there are besides."""
        with self._lock:
            self.left_out = left_out
            seen = set()
            for row in rows:
                values = tuple(row)
                seen.add(values[0])
                self._put(values[0], values)
            for key in [key for key in self._rows if key not in seen]:
                self._remove(key)

    def _put(self, key: str, values: tuple[Any, ...]) -> None:
        known = self._rows.get(key)
        if known is None:
            self._tick += 1
            self._numbers += 1
            self._rows[key] = _Row(self._numbers, values, self._tick, [self._tick] * len(values))
        elif known.values != values:
            self._tick += 1
            for at, (old, new) in enumerate(zip(known.values, values, strict=True)):
                if old != new:
                    known.changed[at] = self._tick
            known.values = values
            self._rows.move_to_end(key)

    def _remove(self, key: str) -> None:
        self._tick += 1
        if len(self._removed) == MAX_REMOVALS:
            self._forgotten = self._removed[0][0]
        self._removed.append((self._tick, self._rows.pop(key).number))

    def since(self, run: int, cursor: int, limit: int = MAX_ROWS_PER_ANSWER) -> dict[str, Any]:
        """Return what changed after `cursor` of a browser that follows the feed `run`, oldest change first.

        `rows` are new: number and values; `changed` are number and pairs of field and value; `gone` are numbers.
        `reset` tells to forget all rows, `more` to ask again with the new `cursor`.
        """
        with self._lock:
            reset = run != self.run or not self._forgotten <= cursor <= self._tick
            start = 0 if reset else cursor
            fresh = []
            for row in reversed(self._rows.values()):
                if row.last <= start:
                    break
                fresh.append(row)
            fresh.reverse()
            more = len(fresh) > limit
            end = fresh[limit - 1].last if more else self._tick
            shown = fresh[:limit]
            gone = [number for tick, number in self._removed if start < tick <= end]
            return {
                "run": self.run,
                "cursor": end,
                "reset": reset,
                "more": more,
                "total": len(self._rows),
                "left_out": self.left_out,
                "fields": self.fields if reset else None,
                "rows": [[row.number, *row.values] for row in shown if row.added > start],
                "changed": [[row.number, *_changes(row, start)] for row in shown if row.added <= start],
                "gone": [] if reset else gone,
            }


def _changes(row: _Row, start: int) -> list[list[Any]]:
    return [[at, row.values[at]] for at, tick in enumerate(row.changed) if tick > start]
