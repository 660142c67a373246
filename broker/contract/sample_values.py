"""One value of a sample in the dialects that devices speak: what has one meaning only is read, the rest refused."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.contract.payload_limits import SampleError
from broker.contract.ranges import EARLIEST_MS, LATEST_MS, MAX_COUNT, TIMES
from broker.contract.signals import SIGNAL_BY_NAME, Signal

COUNTS: Final = ("seq", "boot", "program", "flags")
UNKNOWN_TEXTS: Final = ("", "nan")
"""Texts in lower case that say that a value is unknown, as null does."""
MAX_TEXT: Final = 64
"""Characters of a number or time written as text."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_LEAP: Final = re.compile(r"(:\d\d:)60")
_UNITS: Final = (("seconds", 1000.0), ("microseconds", 1e-3), ("nanoseconds", 1e-6))
"""Units that times come in by mistake, and how many milliseconds one is; the ranges of plausible times do not touch."""


def is_unknown(value: object) -> bool:
    """Tell whether a value says that it is unknown: null, NaN, or a text that is empty or NaN."""
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().lower() in UNKNOWN_TEXTS
    return isinstance(value, float) and math.isnan(value)


def time_of(name: str, value: object) -> int:
    """Return a time in milliseconds since 1970, rounded down; raise `SampleError` with the cause."""
    moment = value
    if isinstance(value, str):
        moment = _number_in(value)
        if moment is None:
            return in_times(name, _iso(name, value), value)
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise SampleError(f"{name} is {_kind_of(value)}; allowed is {TIMES}, or ISO 8601 such as 2026-01-01T00:00:00Z")
    if not math.isfinite(moment):
        raise SampleError(f"{name} is {moment}; allowed is {TIMES}")
    return in_times(name, math.floor(moment), value)


def in_times(name: str, ms: int, shown: object) -> int:
    """Return a time that is plausible; raise `SampleError` with the unit it seems to have, if it has another one."""
    if not EARLIEST_MS <= ms <= LATEST_MS:
        value = ms if isinstance(shown, str) and not _number_in(shown) else shown
        raise SampleError(f"{name} is {str(value)[:80]}{unit_of(name, value)}; allowed is {TIMES}")
    return ms


def unit_of(name: str, value: object) -> str:
    """Return the remark that a time looks like another unit than milliseconds, if so; empty for anything else."""
    number = _number_in(value) if isinstance(value, str) else value
    if name not in {"time", "sent"} or not isinstance(number, int | float):
        return ""
    for unit, factor in _UNITS:
        if EARLIEST_MS <= number * factor <= LATEST_MS:
            return f", which looks like {unit} since 1970: send milliseconds ({math.floor(number * factor)})"
    return ""


def count_of(name: str, value: object) -> int:
    """Return a whole number; raise `SampleError` with the cause."""
    number = _number(name, value)
    if isinstance(number, float) and not number.is_integer():
        raise SampleError(f"{name} is {_shown(value)}; allowed are whole numbers, 0 to {MAX_COUNT}")
    if not 0 <= number <= MAX_COUNT:
        raise SampleError(f"{name} is {_shown(value)}; allowed is 0 to {MAX_COUNT}")
    return int(number)


def reading_of(name: str, value: object) -> float:
    """Return the reading of a signal within its range; raise `SampleError` with the cause."""
    reading = float(_number(name, value))
    signal = SIGNAL_BY_NAME[name]
    if not signal.low <= reading <= signal.high:
        raise SampleError(f"{name} is {reading:g}; allowed is {range_of(signal)}")
    return reading


def range_of(signal: Signal) -> str:
    """Return the plausible range of a signal, for people."""
    return f"{signal.low:g} to {signal.high:g} {signal.unit}"


def _number(name: str, value: object) -> int | float:
    number = _number_in(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        comma = isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip())
        remark = "; write a decimal point" if comma else "; send a number, or null if it is unknown"
        raise SampleError(f"{name} is {_kind_of(value)}{remark}")
    if not math.isfinite(number):
        raise SampleError(f"{name} is {_shown(value)}; send a number, or null if it is unknown")
    return number


def _number_in(text: str) -> int | float | None:
    """Return the number that a text is; None if it is none."""
    text = text.strip()
    if len(text) > MAX_TEXT or not _NUMBER.fullmatch(text):
        return None
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def _iso(name: str, text: str) -> int:
    """Return the milliseconds of a time in ISO 8601; the leap second is the first of the next minute."""
    written = text.strip().upper()
    leap = _LEAP.search(written) is not None
    try:
        moment = datetime.fromisoformat(_LEAP.sub(r"\g<1>59", written) if len(written) <= MAX_TEXT else "")
    except ValueError:
        raise SampleError(
            f"{name} {text[:40]!r} is neither milliseconds since 1970 nor ISO 8601 such as 2026-01-01T00:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise SampleError(f"{name} {text[:40]!r} has no time zone; write Z for UTC")
    since = moment - _EPOCH
    if leap:
        if (since + timedelta(seconds=1)) % timedelta(days=1) >= timedelta(seconds=1):
            raise SampleError(f"{name} {text[:40]!r} has a second 60, which is a leap second only at 23:59:60 UTC")
        since += timedelta(seconds=1)
    return since // timedelta(milliseconds=1)


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return f"the truth value {_shown(value)}"
    return f"text ({_shown(value)})" if isinstance(value, str) else "an array or an object"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)[:80] if isinstance(value, str) else str(value)[:80]
