"""Login throttle: limits sign-in attempts per address and in total, counted before any password is hashed."""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

PER_MINUTE: Final = 5
PER_HOUR: Final = 60
"""Wrong attempts of one address: room for typing errors, also of colleagues behind one proxy; 1,440 guesses a day."""
TOTAL_PER_MINUTE: Final = 120
"""Attempts of all addresses together. Bounds guessing from many addresses, the processor time for hashes, and the
memory: at most 120 addresses a minute get a window, none for longer than an hour."""

_PER_ADDRESS: Final = (
    RateLimitItemPerMinute(PER_MINUTE, namespace="minute"),
    RateLimitItemPerHour(PER_HOUR, namespace="hour"),
)
_TOTAL: Final = RateLimitItemPerMinute(TOTAL_PER_MINUTE, namespace="total")


class LoginThrottle:
    """Counts sign-in attempts in fixed windows, each of which starts with the first attempt of an address."""

    def __init__(self) -> None:
        """Start without attempts."""
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)

    def attempt(self, address: str) -> int:
        """Count an attempt and return 0, or return the seconds to wait if the address has none left.

        Test and count happen without an await in between, so parallel requests cannot share an attempt. Refused
        attempts are not counted: they neither prolong the wait nor use up the attempts of other addresses.
        """
        windows = _windows(address)
        full = [window for window in windows if not self._limiter.test(*window)]
        if full:
            return max(self._wait_s(*window) for window in full)
        for window in windows:
            self._limiter.hit(*window)
        return 0

    def succeeded(self, address: str) -> None:
        """Refund the attempt of a correct password.

        Wrong attempts still count: otherwise, anyone with an account could sign in now and then while guessing the
        passwords of others.
        """
        for limit, name in _windows(address):
            self._storage.decr(limit.key_for(name))

    def _wait_s(self, limit: RateLimitItem, name: str) -> int:
        """Return the seconds until a window ends; `limits` uses the wall clock."""
        return max(1, math.ceil(self._limiter.get_window_stats(limit, name).reset_time - time.time()))


def _windows(address: str) -> list[tuple[RateLimitItem, str]]:
    origin = _origin(address)
    return [(_TOTAL, "all addresses"), *((limit, origin) for limit in _PER_ADDRESS)]


def _origin(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address: one host may use any of its 2^64 addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)
