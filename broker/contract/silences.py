"""Silences: for which alarms nobody is notified, and when; the alarms themselves stay as they are.

A silence lasts until the alarms that it matched have cleared, for a time, or during windows that recur every week. It
always has an end. All times are of the wall clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from broker.contract import alarm_matchers
from broker.contract.alarm_matchers import AlarmMatcher, MatcherError
from broker.contract.ranges import TimeMs

Kind = Literal["until_clear", "for_time", "windows"]
Status = Literal["coming", "active", "expired"]
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
MAX_HIGH_MS: Final = 24 * HOUR_MS
"""Longest silence that could cover an alarm of high priority, unless it recurs."""
MAX_MS: Final = 14 * DAY_MS
MIN_MS: Final = MINUTE_MS
MAX_RECURRING_MS: Final = 366 * DAY_MS
MAX_WINDOWS: Final = 14
MAX_WINDOW_MS: Final = 12 * HOUR_MS
MAX_HIGH_WEEK_MS: Final = 50 * HOUR_MS
"""Longest time in a week that windows may cover alarms of high priority: clinic hours on five days."""
MAX_ALARMS: Final = 1_000
"""Alarms of one silence that lasts until they clear."""
MAX_REASON: Final = 500
MAX_WHO: Final = 80
MAX_ZONE: Final = 64


class SilenceError(ValueError):
    """A silence is not valid; the text says what is wrong and what is allowed."""


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time of day on some weekdays: from `begin` to `end`, "22:00"; an end before the begin is on the next day."""

    days: tuple[str, ...]
    begin: str
    end: str

    def on(self, day: date, zone: ZoneInfo) -> tuple[int, int] | None:
        """Return begin and end (wall ms) of the window that begins on a day, None if none does."""
        if WEEKDAYS[day.weekday()] not in self.days:
            return None
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        after = day if begin < end else day + timedelta(days=1)
        return _ms(datetime.combine(day, begin, zone)), _ms(datetime.combine(after, end, zone))

    @property
    def length_ms(self) -> int:
        """How long it lasts when the clocks do not change."""
        found = Window(WEEKDAYS, self.begin, self.end).on(date(2026, 1, 1), ZoneInfo("UTC"))
        return 0 if found is None else found[1] - found[0]

    def text(self) -> str:
        """Return it for people: "Sat, Sun 22:00-06:00"."""
        return f"{', '.join(self.days)} {self.begin}-{self.end}"


class Silence(msgspec.Struct, frozen=True, kw_only=True, dict=True, omit_defaults=True):
    """One silence. `created`, `starts`, `ends` and `ended` are wall ms; `who` made it, `ended_by` ended it early.

    `ended` without `ended_by` is when its expiry was announced.

    `alarms` are the ids of the alarms of a silence that lasts until they clear; `zone` is the time zone of `windows`.
    """

    id: str
    match: dict[str, Any]
    reason: str
    who: str
    created: TimeMs
    kind: Kind
    starts: TimeMs
    ends: TimeMs
    alarms: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    zone: str = "UTC"
    ended: TimeMs | None = None
    ended_by: str = ""

    @cached_property
    def matcher(self) -> AlarmMatcher:
        """Which alarms it is about. Raises `MatcherError`, never after `checked`."""
        return alarm_matchers.read(self.match)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.alarms)

    def covers(self, alarm: Mapping[str, Any]) -> bool:
        """Return whether it is about an alarm (`alarm_matchers.FIELDS`), whatever the time."""
        if self.kind == "until_clear" and alarm.get("alarm") not in self._known:
            return False
        return self.matcher.matches(alarm)

    def active_until(self, now: int) -> int | None:
        """Return when (wall ms) its present activity ends, None if it is not active now."""
        if self.ended is not None or not self.starts <= now < self.ends:
            return None
        if self.kind != "windows":
            return self.ends
        ends = [end for begin, end in self._periods(now, 1) if begin <= now < end]
        return min(self.ends, max(ends)) if ends else None

    def begins_at(self, now: int) -> int | None:
        """Return when (wall ms) it is active next, None if it is now or never will be again."""
        if self.ended is not None or now >= self.ends or self.active_until(now) is not None:
            return None
        if self.kind != "windows":
            return self.starts
        begins = [max(begin, self.starts) for begin, end in self._periods(max(now, self.starts), 8) if end > now]
        later = [begin for begin in begins if now < begin < self.ends]
        return min(later, default=None)

    def status(self, now: int) -> Status:
        """Return whether it is active, will be, or is over."""
        if self.active_until(now) is not None:
            return "active"
        return "coming" if self.begins_at(now) is not None else "expired"

    def cleared(self, open_alarms: Collection[str]) -> bool:
        """Return whether it lasts until its alarms clear, and they have: none of them is among the open ones."""
        return self.kind == "until_clear" and self._known.isdisjoint(open_alarms)

    def text(self) -> str:
        """Return what it silences and why, for people: "site Bern; priority low (pump clinic)"."""
        return f"{self.matcher.text()} ({self.reason})"

    def when(self) -> str:
        """Return when it is active, for people: "Sat, Sun 22:00-06:00 (Europe/Zurich)"."""
        if self.kind == "windows":
            return f"{'; '.join(window.text() for window in self.windows)} ({self.zone})"
        return "until the alarms clear" if self.kind == "until_clear" else f"for {_span(self.ends - self.starts)}"

    def _periods(self, around: int, days: int) -> Iterator[tuple[int, int]]:
        """Yield the periods of all windows that begin from the day before `around` to some days after it."""
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(around / 1000, zone).date()
        for offset in range(-1, days + 1):
            for window in self.windows:
                if found := window.on(today + timedelta(days=offset), zone):
                    yield found


class Silenced(msgspec.Struct, frozen=True):
    """An alarm about which nobody is notified: by which silence, and until when (wall ms) at the latest."""

    silence: Silence
    until: int


def silenced(silences: Iterable[Silence], alarm: Mapping[str, Any], now: int) -> Silenced | None:
    """Return the silence that lasts longest of those that cover an alarm now, None if there is none."""
    found = [
        Silenced(silence, until)
        for silence in silences
        if (until := silence.active_until(now)) is not None and silence.covers(alarm)
    ]
    return max(found, key=lambda one: one.until, default=None)


def checked(silence: Silence) -> Silence:
    """Return a silence that is valid, or raise `SilenceError`."""
    try:
        matcher = silence.matcher
    except MatcherError as error:
        raise SilenceError(str(error)) from error
    if matcher.matches_all:
        raise SilenceError("the silence names no alarms; name at least one of " + ", ".join(alarm_matchers.FIELDS))
    if not silence.reason.strip() or len(silence.reason) > MAX_REASON:
        raise SilenceError(f"the reason has {len(silence.reason):,} characters; allowed are 1 to {MAX_REASON}")
    if not silence.who or len(silence.who) > MAX_WHO:
        raise SilenceError(f"the name has {len(silence.who):,} characters; allowed are 1 to {MAX_WHO}")
    high = matcher.may_match("priority", "high")
    lasts = silence.ends - silence.starts
    allowed = MAX_RECURRING_MS if silence.kind == "windows" else MAX_HIGH_MS if high else MAX_MS
    if not MIN_MS <= lasts <= allowed:
        what = "that could cover alarms of high priority " if high and silence.kind != "windows" else ""
        raise SilenceError(
            f"the silence lasts {_span(lasts)}; a silence {what}may last {_span(MIN_MS)} to {_span(allowed)}"
        )
    if silence.kind == "until_clear" and not 1 <= len(silence.alarms) <= MAX_ALARMS:
        found = f"{len(silence.alarms):,} open alarms match" if silence.alarms else "no open alarm matches"
        raise SilenceError(f"{found}; until they clear, 1 to {MAX_ALARMS:,} can be silenced")
    if silence.kind == "windows":
        _check_windows(silence.windows, silence.zone, high=high)
    return silence


def _check_windows(windows: Sequence[Window], zone: str, *, high: bool) -> None:
    if not 1 <= len(windows) <= MAX_WINDOWS:
        raise SilenceError(f"the silence has {len(windows)} windows; allowed are 1 to {MAX_WINDOWS}")
    try:
        ZoneInfo(zone[:MAX_ZONE])
    except (OSError, ValueError, KeyError):  # KeyError: not found; OSError: a folder; ValueError: not a zone file
        raise SilenceError(f"{zone[:MAX_ZONE]!r} is no time zone; write one such as 'Europe/Zurich' or 'UTC'") from None
    for window in windows:
        if not window.days or set(window.days) - set(WEEKDAYS):
            raise SilenceError(
                f"a window is on {', '.join(window.days) or 'no day'}; allowed are {', '.join(WEEKDAYS)}"
            )
        for moment in (window.begin, window.end):
            if not _is_time(moment):
                raise SilenceError(f"{moment[:20]!r} is no time of day; write hours and minutes, such as '22:00'")
        if window.begin == window.end or window.length_ms > MAX_WINDOW_MS:
            raise SilenceError(f"the window {window.text()} is longer than {_span(MAX_WINDOW_MS)}; write a shorter one")
    week = sum(window.length_ms * len(set(window.days)) for window in windows)
    if high and week > MAX_HIGH_WEEK_MS:
        raise SilenceError(
            f"the windows cover {_span(week)} a week; if a silence could cover alarms of high priority, allowed are "
            f"{_span(MAX_HIGH_WEEK_MS)}: name other priorities, or shorten the windows"
        )


def _is_time(text: str) -> bool:
    try:
        return f"{time.fromisoformat(text):%H:%M}" == text
    except ValueError:
        return False


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)


def _span(ms: int) -> str:
    for name, unit in (("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS)):
        if abs(ms) >= (3 if name == "d" else 1) * unit:
            return f"{ms / unit:.3g} {name}"
    return f"{ms / 1000:.3g} s"
