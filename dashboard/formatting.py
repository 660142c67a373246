"""This file is how the pages say things: numbers with units, ages, times, states. Unknown is "unknown"."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from broker.contract.signals import FLAGS, SIGNAL_BY_NAME

UNKNOWN: Final = "unknown"
LOST: Final = "Known by gaps in the pumps' own counts, and not come since."
LATE: Final = "Came after younger samples: in the history, but not judged."
REPEATED: Final = "Came again; counted and left out."
PRIORITY_WORD: Final = {1: "high", 2: "medium", 3: "low", 0: "normal"}
STATE_WORD: Final = {
    "unacknowledged": "not acknowledged",
    "acknowledged": "acknowledged",
    "returned": "went away unseen",
    "latched": "over, waits for a reset",
    "shelved": "shelved",
    "out_of_service": "out of service",
}
KIND_WORD: Final = {
    "returned": "went away",
    "held": "held under another",
    "released": "calls by itself",
    "realarmed": "calls again",
    "unacknowledged": "acknowledgement taken back",
    "out_of_service": "out of service",
    "in_service": "back in service",
}
"""What happened to an alarm, where the journal's own word is not enough."""


def number(value: float | None, decimals: int, unit: str = "") -> str:
    """Say a number with its unit, its thousands set apart."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.{decimals}f} {unit}".rstrip()


def amount(value: float) -> str:
    """Say a number with as many digits as its size deserves: "1.78", "312", "1,000,000"."""
    return number(value, 0 if value == int(value) or abs(value) >= 100 else 2)


def size(count: float) -> str:
    """Say a number of bytes: "812 B", "437 kB", "2.1 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.{0 if unit == 'B' or count >= 100 else 1}f} {unit}"


def reading(signal: str, value: float | None) -> str:
    """Say a value of a signal, with the digits that signal deserves and its unit."""
    return number(value, SIGNAL_BY_NAME[signal].decimals, SIGNAL_BY_NAME[signal].unit)


def count(value: int | None, singular: str, plural: str = "") -> str:
    """Say how many: "1 pump", "1,234 pumps"."""
    if value is None:
        return f"{UNKNOWN} {plural or singular + 's'}"
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def span(seconds: float | None) -> str:
    """Say how long, with no more than two units: "40 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return _two(whole, (3600, "h"), (60, "min"))
    return _two(whole, (86_400, "d"), (3600, "h"))


def _two(whole: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    many, rest = divmod(whole, large[0])
    few = rest // small[0]
    return f"{many} {large[1]} {few} {small[1]}" if few and many < 10 else f"{many} {large[1]}"


def since(seconds: float | None) -> str:
    """Say how long something has been so: "for 12 min"."""
    return UNKNOWN if seconds is None else f"for {span(seconds)}"


def stood(seconds: float | None, *, over: bool) -> str:
    """Say how long an alarm has stood, or how long ago it came if it is over; never to be taken for the time left."""
    return f"{span(seconds)} ago" if over else since(seconds)


def moment(ms: int | None) -> str:
    """Say a day and time: "12 Jan 2026, 14:32 UTC"."""
    found = _utc(ms)
    return UNKNOWN if found is None else f"{found.day} {found:%b %Y, %H:%M} UTC"


def day(ms: int | None) -> str:
    """Say a day: "12 Jan 2026"."""
    found = _utc(ms)
    return UNKNOWN if found is None else f"{found.day} {found:%b %Y}"


def clock(ms: int | None) -> str:
    """Say a time of day: "14:32"."""
    found = _utc(ms)
    return UNKNOWN if found is None else f"{found:%H:%M}"


def second(ms: int | None) -> str:
    """Say a wall time to the second: "14:32:07 UTC"."""
    found = _utc(ms)
    return UNKNOWN if found is None else f"{found:%H:%M:%S} UTC"


def _utc(ms: int | None) -> datetime | None:
    if not ms:
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def speed(times: float) -> str:
    """Say how fast therapy time runs: "×60"; "real time" at one."""
    return "real time" if times == 1 else f"×{times:,.6g}"


def title(name: str) -> str:
    """Say the name of a fault, a rule or a bound as words: "Catheter occlusion"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def flags(bits: int | None) -> list[str]:
    """Say what a pump reports about itself; an empty list is "nothing to report"."""
    if bits is None:
        return [UNKNOWN]
    return [flag.title for flag in FLAGS if bits & flag.bit]


def listed(names: Iterable[str], most: int = 3) -> str:
    """Say a list without letting it run on: "A, B, C and 12 more"."""
    every = list(names)
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more:,} more" if more > 0 else "")
