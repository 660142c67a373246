"""Login throttle: limits sign-in attempts per address, counted before any password is hashed."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import Final

from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

PER_MINUTE: Final = 5
PER_HOUR: Final = 30
"""Attempts of one address without a success: room for typing errors, 720 guesses a day at most."""
MAX_ADDRESSES: Final = 1024

_LIMITS: Final = (RateLimitItemPerMinute(PER_MINUTE), RateLimitItemPerHour(PER_HOUR))


class LoginThrottle:
    """Sign-in attempts by address. Remembers at most `MAX_ADDRESSES`; `evicted` counts those dropped for room."""

    def __init__(self) -> None:
        """Start without attempts."""
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._addresses: OrderedDict[str, None] = OrderedDict()
        self.evicted = 0

    def attempt(self, address: str) -> int:
        """Count an attempt and return 0, or return the seconds to wait if the address has none left.

        Test and count happen without an await in between, so parallel requests cannot share an attempt.
        """
        if not all(self._limiter.test(limit, address) for limit in _LIMITS):
            return self._wait_s(address)
        self._remember(address)
        for limit in _LIMITS:
            self._limiter.hit(limit, address)
        return 0

    def clear(self, address: str) -> None:
        """Forget the attempts of an address that signed in."""
        self._addresses.pop(address, None)
        for limit in _LIMITS:
            self._limiter.clear(limit, address)

    def _wait_s(self, address: str) -> int:
        """Return the seconds until every exhausted limit has an attempt again; `limits` uses the wall clock."""
        windows = [self._limiter.get_window_stats(limit, address) for limit in _LIMITS]
        waits = (math.ceil(window.reset_time - time.time()) for window in windows if window.remaining <= 0)
        return max(1, max(waits, default=1))

    def _remember(self, address: str) -> None:
        """Move the address to the end; drop the oldest beyond `MAX_ADDRESSES`, as the storage itself has no bound."""
        self._addresses[address] = None
        self._addresses.move_to_end(address)
        if len(self._addresses) > MAX_ADDRESSES:
            self.clear(next(iter(self._addresses)))
            self.evicted += 1
