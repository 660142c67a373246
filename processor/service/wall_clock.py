"""This file notices when the clock on the wall is set, as by an administrator or after the machine slept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIN_STEP_MS: Final = 2_000
"""Less is a clock that is brought into line, not one that is set."""


@dataclass
class Clock:
    """Compares the clock on the wall with one that only runs."""

    steps: int = 0
    _ahead_ms: float | None = None

    def stepped(self, wall_ms: int, running_s: float) -> int:
        """Return by how many ms the wall clock was set since the last call, 0 where it just went on."""
        ahead_ms = wall_ms - running_s * 1000
        step_ms = 0 if self._ahead_ms is None else round(ahead_ms - self._ahead_ms)
        self._ahead_ms = ahead_ms
        if abs(step_ms) < MIN_STEP_MS:
            return 0
        self.steps += 1
        return step_ms
