"""Declared ranges of the fields of messages, and the sentence that refuses a value outside its range."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, inspect

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: no message is older."""
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01."""
TIMES: Final = "2000-01-01 to 2100-01-01 in milliseconds since 1970"
MAX_COUNT: Final = 2**53
"""Largest whole number that JSON carries exactly."""
MAX_PUMPS: Final = 2_000_000
"""Pumps in one message, as many as one processor monitors."""
MAX_DURATION_D: Final = 10 * 366
MAX_DURATION_S: Final = MAX_DURATION_D * 86_400.0
"""Ten years: longer than any implanted pump is in service."""
MAX_DAYS: Final = 36_500
"""Days of therapy time that a scenario may last."""
MAX_SEED: Final = 2**63 - 1
"""Largest seed of a random generator."""
GATEWAY_MESSAGES: Final = Meta(ge=1, le=1_000_000)
GATEWAY_BIRTHS: Final = Meta(ge=1, le=100_000)
NEW_GATEWAYS: Final = Meta(ge=1, le=100_000)
NEW_PUMPS: Final = Meta(ge=1, le=2_000_000)
"""Limits on what a processor takes in: messages a second and births a minute of a gateway; new ones a minute."""
MAX_TEXT: Final = 4_000
MAX_LABEL: Final = 200

TimeMs = Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
"""A wall-clock or therapy time in ms."""
TimeMsOrZero = Annotated[int, Meta(ge=0, le=LATEST_MS)]
"""The same, 0 if there is none."""
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Speed = Annotated[float, Meta(ge=0.1, le=1e6)]
"""Therapy seconds per wall second. Silence is counted in therapy time: slower would put its alarm off for hours."""
DurationS = Annotated[float, Meta(ge=0.0, le=MAX_DURATION_S)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Label = Annotated[str, Meta(max_length=MAX_LABEL)]
"""A name or a short text."""
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Labels = Annotated[list[Label], Meta(max_length=MAX_PUMPS)]
"""A text per pump, or the names of pumps."""

_PATH: Final = re.compile(r" - at `\$\.?(.*)`$")
_STEP: Final = re.compile(r"[^.\[\]]+")


def out_of_range(error: msgspec.ValidationError, payload: bytes, kind: Any) -> str | None:
    """Return a sentence with field, value and allowed range for a value that msgspec refused; None for other errors.

    `kind` is the type that the payload was decoded as.
    """
    found = _PATH.search(str(error))
    if found is None:
        return None
    path = found[1]
    steps = _STEP.findall(path)
    try:
        value = _value(msgspec.json.decode(payload), steps)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # the payload is malformed after the value
    limits = _limits(inspect.type_info(kind), steps)
    for limit in limits:
        sentence = _sentence(path, value, limit)
        if sentence is not None:
            return sentence
    return None


def _value(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, list):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
    return value


def _limits(kind: inspect.Type, steps: list[str]) -> list[inspect.Type]:
    """Return the types that the value at this path may have."""
    if isinstance(kind, inspect.UnionType):
        return [found for each in kind.types for found in _limits(each, steps)]
    if not steps:
        return [kind]
    if isinstance(kind, inspect.StructType):
        fields = [field for field in kind.fields if field.encode_name == steps[0]]
        return [found for field in fields for found in _limits(field.type, steps[1:])]
    if isinstance(kind, inspect.ListType):
        return _limits(kind.item_type, steps[1:])
    if isinstance(kind, inspect.TupleType):
        return [found for item in kind.item_types for found in _limits(item, steps[1:])]
    return []


def _sentence(path: str, value: Any, kind: inspect.Type) -> str | None:
    if isinstance(kind, inspect.IntType | inspect.FloatType) and type(value) in {int, float}:
        if kind.ge is None or kind.le is None or kind.ge <= value <= kind.le:
            return None
        allowed = (
            TIMES if (kind.ge, kind.le) == (EARLIEST_MS, LATEST_MS) else f"{_number(kind.ge)} to {_number(kind.le)}"
        )
        return f"{path} is {str(value)[:40]}; allowed is {allowed}"
    if isinstance(kind, inspect.StrType | inspect.ListType) and isinstance(value, str | list):
        if kind.max_length is None or len(value) <= kind.max_length:
            return None
        unit = "characters" if isinstance(value, str) else "entries"
        return f"{path} has {len(value):,} {unit}; allowed are up to {kind.max_length:,}"
    return None


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
