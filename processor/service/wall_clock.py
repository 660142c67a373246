"""Wall clock: detects that it was set, for example by an administrator or after the machine was suspended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIN_STEP_MS: Final = 2_000
"""A smaller step is a clock being synchronized, not set."""


@dataclass
class WallClock:
    """Compares the wall clock with a monotonic clock; `steps` counts how often it was set."""

    steps: int = 0
    _ahead_ms: float | None = None

    def step(self, wall_ms: int, monotonic_s: float) -> int:
        """Return by how many ms the wall clock was set since the last call, 0 if it was not."""
        ahead_ms = wall_ms - monotonic_s * 1000
        step_ms = 0 if self._ahead_ms is None else round(ahead_ms - self._ahead_ms)
        self._ahead_ms = ahead_ms
        if abs(step_ms) < MIN_STEP_MS:
            return 0
        self.steps += 1
        return step_ms
