"""Standstill: notices that this process was not running for a while, after which the silence of pumps means nothing.

A suspended process, a disk that blocks or a busy host stops the processor, not the pumps: what they sent meanwhile
still waits to be received, and nobody knows yet who was silent.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PULSE_S: Final = 0.5
NOTICED_S: Final = 2.0
"""A gap between two pulses of at least this long is a standstill."""
REPORTED_S: Final = 5.0
"""Standstills of at least this long are reported: dashboards call data stale after as long."""
MIN_CATCH_UP_S: Final = 3.0
MAX_CATCH_UP_S: Final = 30.0
"""After a standstill, what was missed may take as long to arrive as the standstill took, within these limits."""


@dataclass
class Standstill:
    """Watches the pulse of the event loop; `report` gets the seconds of each standstill of `REPORTED_S` or longer.

    Times are of a monotonic clock, in s.
    """

    report: Callable[[float], None]
    _beat: float | None = None
    _over_at: float = -math.inf

    def over(self, clock: float) -> bool:
        """Take the pulse, and return whether everything sent during the latest standstill must have arrived."""
        gap_s = 0.0 if self._beat is None else clock - self._beat
        self._beat = clock
        if gap_s >= NOTICED_S:
            self._over_at = clock + min(max(gap_s, MIN_CATCH_UP_S), MAX_CATCH_UP_S)
        if gap_s >= REPORTED_S:
            self.report(gap_s)
        return clock >= self._over_at

    async def run(self) -> None:
        """Take the pulse until cancelled: the event loop beats even while a batch is processed in its thread."""
        while True:
            self.over(time.monotonic())
            await asyncio.sleep(PULSE_S)
