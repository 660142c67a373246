"""Times in requests: UTC milliseconds, or ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query

from dashboard.api.route import ApiError

MAX_MS: Final = 4_102_444_800_000
"""1 January 2100."""
PATTERN: Final = r"^(\d{1,13}|\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?)$"
_TEXT: Final = "as UTC milliseconds, or ISO 8601 such as 2026-01-31T12:00:00Z."
Since = Annotated[str | None, Query(pattern=PATTERN, description=f"Not before this time, {_TEXT}")]
Until = Annotated[str | None, Query(pattern=PATTERN, description=f"Not after this time, {_TEXT}")]


def time_of(text: str | None) -> int | None:
    """Return a time as UTC ms. Raises `ApiError` (400) if it is none between 1970 and 2100."""
    if text is None:
        return None
    try:
        if text.isdecimal():
            at = int(text)
        else:
            parsed = datetime.fromisoformat(text)
            at = round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        at = -1
    if not 0 <= at <= MAX_MS:
        raise ApiError(400, f"{text!r} is no time between 1970 and 2100, {_TEXT}", kind="bad-parameter")
    return at
