"""Login throttle: limits sign-in attempts per device, address, account and in total, before a password is hashed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

PER_MINUTE: Final = 5
PER_HOUR: Final = 60
"""Wrong attempts of one address or one known device: room for typing errors; 1,440 guesses a day."""
ACCOUNT_PER_MINUTE: Final = 10
ACCOUNT_PER_HOUR: Final = 100
"""Wrong attempts at one account from all devices that it has never signed in from."""
TOTAL_PER_MINUTE: Final = 120
"""Attempts from all unknown devices. Bounds guessing from many addresses, the processor time for hashes, and the
memory: at most 120 addresses and accounts a minute get a window, none for longer than an hour."""
MAX_NAME: Final = 40

_PER_ADDRESS: Final = (
    RateLimitItemPerMinute(PER_MINUTE, namespace="minute"),
    RateLimitItemPerHour(PER_HOUR, namespace="hour"),
)
_PER_ACCOUNT: Final = (
    RateLimitItemPerMinute(ACCOUNT_PER_MINUTE, namespace="account minute"),
    RateLimitItemPerHour(ACCOUNT_PER_HOUR, namespace="account hour"),
)
_TOTAL: Final = RateLimitItemPerMinute(TOTAL_PER_MINUTE, namespace="total")


@dataclass(frozen=True)
class Attempt:
    """Who tries to sign in: the address, the name, and the id of the device if the account has signed in from it."""

    address: str
    name: str = ""
    device: str = ""


@dataclass(frozen=True)
class Refusal:
    """The seconds to wait, and what is limited."""

    wait_s: int
    window: str


class LoginThrottle:
    """Counts sign-in attempts in fixed windows, each of which starts with its first attempt.

    A device that an account has signed in from has attempts of its own. Whoever guesses, from however many addresses,
    uses up those of unknown devices alone, so nobody can lock another out of a browser they have used before.
    """

    def __init__(self) -> None:
        """Start without attempts."""
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)

    def attempt(self, attempt: Attempt) -> Refusal | None:
        """Count an attempt and return None, or return why it has to wait.

        Test and count happen without an await in between, so parallel requests cannot share an attempt. Refused
        attempts are not counted: they neither prolong the wait nor use up the attempts of others.
        """
        windows = _windows(attempt)
        full = [window for window in windows if not self._limiter.test(*window[:2])]
        if full:
            waits = [Refusal(self._wait_s(limit, name), text) for limit, name, text in full]
            return max(waits, key=lambda refusal: refusal.wait_s)
        for limit, name, _ in windows:
            self._limiter.hit(limit, name)
        return None

    def succeeded(self, attempt: Attempt) -> None:
        """Refund the attempt of a correct password.

        Wrong attempts still count: otherwise, anyone with an account could sign in now and then while guessing the
        passwords of others.
        """
        for limit, name, _ in _windows(attempt):
            self._storage.decr(limit.key_for(name))

    def _wait_s(self, limit: RateLimitItem, name: str) -> int:
        """Return the seconds until a window ends; `limits` uses the wall clock."""
        return max(1, math.ceil(self._limiter.get_window_stats(limit, name).reset_time - time.time()))


def _windows(attempt: Attempt) -> list[tuple[RateLimitItem, str, str]]:
    """Return limit, key and text for people of every window that an attempt counts in."""
    name = attempt.name[:MAX_NAME]
    if attempt.device:
        text = f"sign-ins of {name or 'the shared key'} from a known device"
        return [(limit, f"device {attempt.device} {name}", text) for limit in _PER_ADDRESS]
    origin = _origin(attempt.address)
    windows: list[tuple[RateLimitItem, str, str]] = [(_TOTAL, "all addresses", "sign-ins from all unknown devices")]
    windows += [(limit, f"address {origin}", f"sign-ins from {origin}") for limit in _PER_ADDRESS]
    if name:
        windows += [(limit, f"account {name}", f"sign-ins of {name} from unknown devices") for limit in _PER_ACCOUNT]
    return windows


def _origin(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address: one host may use any of its 2^64 addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)
