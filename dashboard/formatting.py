"""Text of the pages: numbers with units, durations, times, states. A value that is not known is "unknown"."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Literal

import humanize

from broker.contract.datasheet import FLOW_RESOLUTION_UL_H
from broker.contract.signals import FLAGS, SIGNAL_BY_NAME
from broker.display import names
from broker.display.instants import instant, outside
from dashboard.languages import decimal, separated, shown_date, tr, tr_later, tr_n
from dashboard.zones import ZONE, label

UNKNOWN: Final = tr_later("unknown")
NO_PUMPS: Final = tr_later(
    "No pump has reported yet. Start simulated pumps with pumpwatch run, or publish telemetry of your own; they "
    "appear here with their first sample."
)
MAX_DECIMALS: Final = 6
FLOWS: Final = ("flow_ul_h",)
"""Signals of the flow sensor."""
LOST: Final = tr_later("Missing from the pumps' sequence numbers and not received since.")
LATE: Final = tr_later("Received after newer samples: stored in the history, not evaluated.")
DUPLICATES: Final = tr_later("Received more than once; counted and discarded.")
PRIORITY_WORD: Final = names.PRIORITIES
STATE_WORD: Final = names.ALARM_STATES
KIND_WORD: Final = names.ENTRIES


def number(value: float | None, decimals: int, unit: str = "") -> str:
    """Return a number with its unit and thousands separators; what rounds to zero has no sign."""
    if value is None or not math.isfinite(value):
        return tr(UNKNOWN)
    zero = not float(f"{value:.{decimals}f}")
    return f"{decimal(0.0 if zero else value, decimals)} {unit}".rstrip()


def amount(value: float) -> str:
    """Return a number with the digits its size deserves: "1.78", "312", "1,000,000"."""
    return number(value, 0 if value == int(value) or abs(value) >= 100 else 2)


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits and no more than it has: "0.00042", "1.8", "1,765", "0"."""
    if value is None or not math.isfinite(value):
        return tr(UNKNOWN)
    size = math.floor(math.log10(abs(value))) if value else 0
    decimals = min(max(0, digits - 1 - size), MAX_DECIMALS)
    fraction = f"{value:.{decimals}f}".partition(".")[2].rstrip("0")
    return number(float(f"{value:.{decimals}f}"), len(fraction))


def size(count: float) -> str:
    """Return a number of bytes: "812 Bytes", "437.0 kB", "2.1 GB"."""
    return humanize.naturalsize(count)


def reading(signal: str, value: float | None) -> str:
    """Return a value of a signal with that signal's decimals and unit; a flow that no sensor tells from none is 0."""
    if signal in FLOWS and value is not None and abs(value) < FLOW_RESOLUTION_UL_H:
        value = 0.0
    return number(value, SIGNAL_BY_NAME[signal].decimals, SIGNAL_BY_NAME[signal].unit)


def count(value: int | None, singular: str, plural: str = "") -> str:
    """Return a count with its noun: "1 pump", "1,234 pumps"."""
    if value is None:
        return tr(f"{UNKNOWN} {plural or singular + 's'}")
    return tr_n(f"{{count}} {singular}", f"{{count}} {plural or singular + 's'}", value)


def span(seconds: float | None) -> str:
    """Return a duration in at most two units: "40 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds is None or not math.isfinite(seconds):
        return tr(UNKNOWN)
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return _two(whole, (3600, "h"), (60, "min"))
    return _two(whole, (86_400, tr_later("d")), (3600, "h"))


def _two(whole: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    many, rest = divmod(whole, large[0])
    few = rest // small[0]
    first = f"{many} {tr(large[1])}"
    return f"{first} {few} {tr(small[1])}" if few and many < 10 else first


def since(seconds: float | None) -> str:
    """Return how long a condition has lasted: "for 12 min"."""
    return tr(UNKNOWN) if seconds is None else tr("for {duration}", duration=span(seconds))


def standing(seconds: float | None, *, over: bool) -> str:
    """Return how long an alarm has stood ("for 12 min"), or how long ago it was raised if its condition is over."""
    return tr("{duration} ago", duration=span(seconds)) if over else since(seconds)


def moment(ms: int | None) -> str:
    """Return a date and time in the viewer's zone: "12 Jan 2026, 14:32 UTC"."""
    return written(ms, lambda at: f"{shown_date(at)}, {at:%H:%M} {label(at)}")


def day(ms: int | None) -> str:
    """Return a date in the viewer's zone: "12 Jan 2026"."""
    return written(ms, shown_date)


def clock(ms: int | None) -> str:
    """Return a time of day in the viewer's zone: "14:32 UTC"."""
    return written(ms, lambda at: f"{at:%H:%M} {label(at)}")


def second(ms: int | None) -> str:
    """Return a wall-clock time to the second in the viewer's zone: "14:32:07 UTC"."""
    return written(ms, lambda at: f"{at:%H:%M:%S} {label(at)}")


def timestamp(ms: int | None) -> str:
    """Return a date and time to the second in the viewer's zone: "12 Jan 2026, 14:32:07 UTC"."""
    return written(ms, lambda at: f"{shown_date(at)}, {at:%H:%M:%S} {label(at)}")


def written(ms: float | None, write: Callable[[datetime], str]) -> str:
    """Return a time as `write` writes it in the viewer's zone; "unknown" without one."""
    if not ms or math.isnan(ms):
        return tr(UNKNOWN)
    at = instant(ms, ZONE.get())
    return outside(ms) if at is None else write(at)


def speed(times: float) -> str:
    """Return the speed of therapy time: "×60"; "real time" at one."""
    return tr("real time") if times == 1 else separated(f"×{times:,.6g}")


def title(name: str) -> str:
    """Return an identifier as words, for what has no title of its own, such as a limit: "Message log"."""
    return tr(names.words(name))


def event_kind(kind: str) -> str:
    """Return the kind of a journal entry as words: "Returned to normal", "Sign-in failed"."""
    return tr(names.entry_kind(kind))


def flags(bits: int | None) -> list[str]:
    """Return the titles of the status flags that a pump has set; an empty list means none."""
    if bits is None:
        return [tr(UNKNOWN)]
    return [tr(flag.title) for flag in FLAGS if bits & flag.bit]


def listed(names: Iterable[str], most: int = 3, *, last: Literal["and", "or"] = "and") -> str:
    """Return a list that does not run on: "A, B and C", "A, B, C and 12 more"; `last` is the word before the last."""
    every = list(names)
    more = len(every) - most
    shown = [*every[:most], *([tr_n("{count} more", "{count} more", more)] if more > 0 else [])]
    if len(shown) < 2:
        return "".join(shown)
    pattern = tr_later("{names} or {last}") if last == "or" else tr_later("{names} and {last}")
    return tr(pattern, names=", ".join(shown[:-1]), last=shown[-1])
