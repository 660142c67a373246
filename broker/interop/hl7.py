"""HL7 version 2 text: segments, fields and components, with delimiters escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

FIELD: Final = "|"
COMPONENT: Final = "^"
REPETITION: Final = "~"
ESCAPE: Final = "\\"
SUBCOMPONENT: Final = "&"
SEGMENT: Final = "\r"
_ESCAPES: Final = {
    ESCAPE: "\\E\\",
    FIELD: "\\F\\",
    COMPONENT: "\\S\\",
    REPETITION: "\\R\\",
    SUBCOMPONENT: "\\T\\",
}
_TABLE: Final = str.maketrans(_ESCAPES)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS: Final = 253_402_300_799_999
"""The end of the year 9999, the last that HL7 can write."""


def escaped(text: str) -> str:
    """Return text without delimiters: each as its escape sequence; line breaks are spaces, control characters gone."""
    kept = (" " if one in "\r\n\t" else one for one in text if one in "\r\n\t" or one.isprintable())
    return "".join(kept).translate(_TABLE)


def components(*texts: str) -> str:
    """Return a field of components; trailing empty ones are left out."""
    return COMPONENT.join(map(escaped, texts)).rstrip(COMPONENT)


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return a segment from its fields by number; of MSH, whose first field is the delimiter itself, from number 2."""
    first = 2 if name == "MSH" else 1
    return FIELD.join([name, *(fields.get(number, "") for number in range(first, max(fields) + 1))])


def timestamp(ms: int) -> str:
    """Return milliseconds since 1970 as an HL7 time in UTC; times outside the years 1970 to 9999 are cut to them."""
    at = _EPOCH + timedelta(milliseconds=min(max(ms, 0), _END_MS))
    return f"{at:%Y%m%d%H%M%S}.{at.microsecond // 1000:03d}+0000"
