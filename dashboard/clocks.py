"""Two clocks on one screen: therapy time, which may run faster, and the time here; texts that name which is which."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from broker.display.instants import instant
from dashboard import formatting
from dashboard.languages import decimal, separated, tr, tr_later, tr_sentence
from dashboard.zones import ZONE, label

DURATION: Final = re.compile(r"\b(minutes?|hours?|days?|weeks?|months?|\d+ (min|h|d))\b")
"""What makes a text speak of a duration."""


DEADLINES: Final = (
    tr_later("under-dosed in about {duration} ({first} to {last} h)"),
    tr_later("under-dosed in about {duration} ({first} h or later)"),
    tr_later("under-dosed in about {duration}"),
    tr_later("probably under-dosed already, at the latest in {last} h"),
    tr_later("probably under-dosed already"),
    tr_later("probably under-dosed: bridge now"),
    tr_later("more than a day until under-dosed, if nothing changes"),
    tr_later("returned to normal"),
)
"""Times to respond as the processor writes them; others are texts of rules."""


def said_deadline(text: str) -> str:
    """Return a time to respond, as the processor wrote it, in the viewer's language."""
    marked = text.removesuffix(" (therapy time)")
    said = tr_sentence(marked, DEADLINES)
    return said if marked == text else tr("{text} (therapy time)", text=said)


@dataclass(frozen=True)
class TherapyClock:
    """How a clock of therapy time runs: its speed, when therapy day 1 began (therapy ms; 0: unknown), and what it is.

    `real` says that it is the wall clock, as of pumps that are not played: then nothing is marked as therapy time.
    """

    speed: float = 1.0
    start_ms: int = 0
    real: bool = True


WALL: Final = TherapyClock()
"""The wall clock."""


def here(seconds: float | None, speed: float | None, *, short: bool = False) -> str:
    """Return how long a therapy duration is for a person: "5 min here at ×60"; "" in real time or if it is unknown."""
    if seconds is None or not math.isfinite(seconds) or not speed or speed <= 0 or speed == 1:
        return ""
    wall_s = seconds / speed
    lasts = formatting.span(wall_s) if wall_s >= 1 or wall_s <= 0 else tr("under 1 s")
    return tr("{lasts} here", lasts=lasts) if short else tr("{lasts} here at {times}", lasts=lasts, times=_times(speed))


def with_here(text: str, seconds: float | None, speed: float | None, *, short: bool = False) -> str:
    """Return a text that says a therapy duration, and how long that is here: "5 h left (5 min here at ×60)".

    The short form lacks the speed, "5 h left (5 min here)"; show the long one as its title.
    """
    lasts = here(seconds, speed, short=short)
    if not lasts:
        return text
    return f"{text}, {lasts}" if text.endswith(")") else f"{text} ({lasts})"


def time_left(seconds: float | None, speed: float | None, *, short: bool = False) -> str:
    """Return what is left of a therapy duration: "5 h left (5 min here at ×60)"."""
    return with_here(tr("{duration} left", duration=formatting.span(seconds)), seconds, speed, short=short)


def age_speed(row: Mapping[str, Any]) -> float:
    """Return at which speed the age of an alarm runs: alarms about Pumpwatch itself age by the wall clock."""
    return 1.0 if row["subject_kind"] == "system" else row["speed"] or 1.0


def alarm_age(row: Mapping[str, Any], *, short: bool = False) -> str:
    """Return how long an open alarm has stood, or how long ago its condition began: "for 1 h (1 min here at ×60)"."""
    text = formatting.standing(row["age_s"], over=row["returned"] is not None)
    return with_here(text, row["age_s"], age_speed(row), short=short)


def deadline(row: Mapping[str, Any], *, short: bool = False) -> str:
    """Return how long a person has to respond to an alarm: "under-dosed in about 5 h (5 min here at ×60)"."""
    text, speed = said_deadline(row["deadline"] or formatting.UNKNOWN), age_speed(row)
    if row["harm_s"] and math.isfinite(row["harm_s"]):
        return with_here(text, row["harm_s"], speed, short=short) if row["harm_s"] > 0 else text
    if speed == 1 or row["returned"] is not None or not DURATION.search(row["deadline"] or ""):
        return text
    return (
        tr("{text} (therapy time)", text=text)
        if short
        else tr("{text} (therapy time, {times})", text=text, times=_times(speed))
    )


def therapy_moment(ms: int | None, clock: TherapyClock) -> str:
    """Return a therapy time in the viewer's zone: "therapy day 12, 14:32 UTC"; by its date if day 1 is unknown.

    If the clock is the wall clock, it is a moment like any other.
    """
    if clock.real or not ms or not clock.start_ms or ms < clock.start_ms:
        return formatting.moment(ms) if clock.real or not ms else tr("therapy {time}", time=formatting.moment(ms))
    return formatting.written(
        ms,
        lambda at: tr(
            "therapy day {therapy_day}, {time} {label}",
            therapy_day=decimal(_therapy_day(at, clock.start_ms)),
            time=f"{at:%H:%M}",
            label=label(at),
        ),
    )


def therapy_date(ms: int | None, clock: TherapyClock) -> str:
    """Return the day of a therapy time in the viewer's zone: "therapy day 12", "12 Jan 2026" by the wall clock."""
    if clock.real or not ms or not clock.start_ms or ms < clock.start_ms:
        return formatting.day(ms) if clock.real or not ms else tr("therapy {day}", day=formatting.day(ms))
    return formatting.written(
        ms, lambda at: tr("therapy day {therapy_day}", therapy_day=decimal(_therapy_day(at, clock.start_ms)))
    )


def _therapy_day(at: datetime, start_ms: int) -> int:
    """Return the number of a day in the viewer's zone; day 1 is that of the start."""
    first = instant(start_ms, ZONE.get())
    return 1 if first is None else (at.date() - first.date()).days + 1


def _times(speed: float) -> str:
    return separated(f"×{speed:,.6g}")
