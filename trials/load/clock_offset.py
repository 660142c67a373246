"""Clock offsets between machines: pings over the broker as NTP has them, and bounds from cause and effect."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

BEST_SHARE: Final = 0.25
"""Share of the pings, the fastest, whose median is the offset: what waited in a queue says little about a clock."""
MAX_PINGS: Final = 10_000


@dataclass(frozen=True)
class Ping:
    """One exchange, wall ms: sent and answered by the runner's clock, received and sent back by the worker's."""

    sent: float
    received: float
    returned: float
    answered: float

    @property
    def delay_ms(self) -> float:
        """Time on the way, there and back."""
        return (self.answered - self.sent) - (self.returned - self.received)

    @property
    def ahead_ms(self) -> float:
        """How far the worker's clock is ahead, if the way there takes as long as the way back."""
        return ((self.received - self.sent) + (self.returned - self.answered)) / 2


@dataclass(frozen=True)
class Offset:
    """How far a clock is ahead of the runner's, and by how much that may be wrong, ms."""

    ahead_ms: float
    uncertainty_ms: float
    pings: int


def offset_of(pings: Sequence[Ping]) -> Offset | None:
    """Return the offset from pings, None without any that is possible.

    The median of the fastest quarter. An exchange bounds its error by half of its delay, whatever the two ways took:
    the uncertainty is that of the slowest one used.
    """
    possible = sorted((ping for ping in pings if ping.delay_ms >= 0), key=lambda ping: ping.delay_ms)
    if not possible:
        return None
    best = possible[: max(1, math.ceil(BEST_SHARE * len(possible)))]
    return Offset(statistics.median(ping.ahead_ms for ping in best), best[-1].delay_ms / 2, len(possible))


@dataclass
class Bounds:
    """What cause and effect say of the clock of a part that answers no pings, such as the processor.

    A message cannot arrive before it was sent: its receipt by the part bounds how far the part's clock is behind, what
    we receive from the part how far it is ahead.
    """

    highest_ms: float = field(default=math.inf)
    lowest_ms: float = field(default=-math.inf)

    def received_there(self, sent_ms: float, received_ms: float) -> None:
        """Add a message that we sent (our clock) and the part received (its clock)."""
        self.highest_ms = min(self.highest_ms, received_ms - sent_ms)

    def received_here(self, sent_ms: float, received_ms: float) -> None:
        """Add a message that the part sent (its clock) and we received (our clock)."""
        self.lowest_ms = max(self.lowest_ms, sent_ms - received_ms)

    @property
    def offset(self) -> Offset | None:
        """How far the part's clock is ahead: the middle of the bounds; None before there are both."""
        if not (math.isfinite(self.highest_ms) and math.isfinite(self.lowest_ms)):
            return None
        return Offset((self.highest_ms + self.lowest_ms) / 2, max(0.0, (self.highest_ms - self.lowest_ms) / 2), pings=0)
