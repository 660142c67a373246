"""This file slows down guessing: after a few wrong tries from one address, the next must wait longer each time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

FREE_TRIES: Final = 4
MAX_WAIT_S: Final = 60.0
FORGOTTEN_AFTER_S: Final = 900.0
MAX_ADDRESSES: Final = 1024


class Guesses:
    """Wrong tries by address. Holds at most `MAX_ADDRESSES`; `evicted` counts those let go of for want of room."""

    def __init__(self) -> None:
        """Begin with nobody suspected."""
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self.evicted = 0

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how many seconds this address must still wait before its next try is looked at."""
        tries, last = self._tries.get(address, (0, 0.0))
        if tries < FREE_TRIES or now_s - last > FORGOTTEN_AFTER_S:
            return 0.0
        return max(0.0, last + min(MAX_WAIT_S, 2.0 ** (tries - FREE_TRIES)) - now_s)

    def wrong(self, address: str, now_s: float) -> None:
        """Note a wrong try."""
        tries, last = self._tries.pop(address, (0, now_s))
        self._tries[address] = ((tries if now_s - last <= FORGOTTEN_AFTER_S else 0) + 1, now_s)
        if len(self._tries) > MAX_ADDRESSES:
            self._tries.popitem(last=False)
            self.evicted += 1

    def right(self, address: str) -> None:
        """Forget an address that got it right."""
        self._tries.pop(address, None)
