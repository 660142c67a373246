"""What people ask for when they silence alarms, made into a silence: a duration, alarms to clear, or weekly windows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker.contract import alarm_matchers
from broker.contract.alarm_matchers import MatcherError
from broker.contract.silences import (
    DAY_MS,
    MAX_HIGH_MS,
    MAX_MS,
    WEEKDAYS,
    Silence,
    SilenceError,
    Window,
    checked,
)

RECURRING_D: Final = 90
"""Days that windows recur for unless asked otherwise."""
MAX_AHEAD_MS: Final = 366 * DAY_MS
_WINDOW: Final = re.compile(r"([A-Za-z, -]{3,60}?) +(\d\d:\d\d) ?[-–] ?(\d\d:\d\d)", re.ASCII)
_EXAMPLE: Final = "'Mon-Fri 08:00-17:00' or 'Sat,Sun 22:00-06:00'"


@dataclass(frozen=True)
class Request:
    """Who silences what and why: `match` is a matcher's table, `now` wall ms, `name` the id of the silence."""

    name: str
    match: Mapping[str, Any]
    reason: str
    who: str
    now: int

    def for_time(self, lasts_ms: int, starts: int | None = None) -> Silence:
        """Return the silence that begins now, or at `starts` (wall ms), and lasts so long. Raises `SilenceError`."""
        begin = max(self.now, starts or 0)
        if begin > self.now + MAX_AHEAD_MS:
            raise SilenceError(f"the silence begins in {(begin - self.now) // DAY_MS:,} d; allowed are 366 d")
        return self._made(kind="for_time", starts=begin, ends=begin + lasts_ms)

    def until_clear(self, alarms: Sequence[str]) -> Silence:
        """Return the silence of these open alarms, those that match, until they clear. Raises `SilenceError`."""
        high = self._may_be_high()
        return self._made(
            kind="until_clear",
            starts=self.now,
            ends=self.now + (MAX_HIGH_MS if high else MAX_MS),
            alarms=tuple(alarms),
        )

    def recurring(self, windows: Sequence[Window], zone: str, days: int = RECURRING_D) -> Silence:
        """Return a silence with weekly windows that ends after so many days. Raises `SilenceError`."""
        ends = self.now + days * DAY_MS
        return self._made(kind="windows", starts=self.now, ends=ends, windows=tuple(windows), zone=zone)

    def _made(self, **more: Any) -> Silence:
        fields: dict[str, Any] = {"id": self.name, "reason": self.reason, "who": self.who, "created": self.now}
        return checked(Silence(match=dict(self.match), **fields, **more))

    def _may_be_high(self) -> bool:
        try:
            return alarm_matchers.read(self.match).may_match("priority", "high")
        except MatcherError as error:
            raise SilenceError(str(error)) from error


def window(text: str) -> Window:
    """Return the window of a text such as "Mon-Fri 08:00-17:00". Raises `SilenceError`."""
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise SilenceError(f"{text[:60]!r} is no window; write days and times, such as {_EXAMPLE}")
    days: set[str] = set()
    for part in found[1].split(","):
        first, _, last = (word.strip().capitalize() for word in part.partition("-"))
        if first not in WEEKDAYS or (last and last not in WEEKDAYS):
            raise SilenceError(f"{part.strip()[:20]!r} is no weekday; allowed are {', '.join(WEEKDAYS)}, or Mon-Fri")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        days |= {WEEKDAYS[number % 7] for number in range(begin, (end if begin <= end else end + 7) + 1)}
    return Window(tuple(day for day in WEEKDAYS if day in days), found[2], found[3])
