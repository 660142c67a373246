"""Times as text; a time outside the years 1 to 9999 is named as such and never raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

BEYOND: Final = "beyond year 9999"
BEFORE: Final = "before year 1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(ms: float, zone: tzinfo = UTC) -> datetime | None:
    """Return ms since 1970 as a time in a zone; None if it is outside the years 1 to 9999."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
    except (OverflowError, ValueError):
        return None


def outside(ms: float) -> str:
    """Return what to show for a time that is outside the years 1 to 9999."""
    return BEFORE if ms < 0 else BEYOND


def timestamp(ms: float) -> str:
    """Return ms since 1970 as "2026-01-31 07:00:00", in UTC."""
    found = instant(ms)
    return outside(ms) if found is None else f"{found:%Y-%m-%d %H:%M:%S}"
