"""What the supervisor says about parts that keep exiting, as a sentence for every page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from broker.store import part_troubles
from broker.store.part_troubles import PartTrouble

READ_INTERVAL_MS: Final = 500


class PartStatus:
    """Troubles of the parts of the system on a data directory, read once for all viewers."""

    def __init__(self, data: Path, now: Callable[[], int]) -> None:
        """`now` returns wall ms."""
        self._data, self._now = data, now
        self._read_at = -READ_INTERVAL_MS
        self._troubles: list[PartTrouble] = []

    def text(self) -> str:
        """Return what is wrong with parts, in one sentence each; "" if nothing is."""
        now = self._now()
        if abs(now - self._read_at) >= READ_INTERVAL_MS:
            self._read_at, self._troubles = now, part_troubles.read(self._data)
        return " ".join(sentence(trouble, now) for trouble in self._troubles)


def sentence(trouble: PartTrouble, now: int) -> str:
    """Return a trouble as a sentence; `now` is wall ms."""
    text = f"The {trouble.part} {trouble.text.rstrip('.')}"
    if not trouble.retry_at:
        return f"{text}."
    left_s = -(-(trouble.retry_at - now) // 1000)
    return f"{text}; next try in {left_s} s." if left_s > 0 else f"{text}; it is starting."
