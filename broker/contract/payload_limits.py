"""Limits of a telemetry payload, and the error and the short list of reasons for what exceeds or breaks them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
"""About 60,000 pumps in one Arrow stream; a larger payload is rejected without being decoded."""
MAX_ROWS: Final = 65_536
"""Samples in one payload; the samples of a payload with more are not decoded."""
MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""Size of an Arrow payload after decompression: `MAX_ROWS` rows of `MAX_COLUMNS` columns, twice."""
MAX_COLUMNS: Final = 64
"""Columns of an Arrow payload, those that nobody reads included."""
MAX_SAMPLE_BYTES: Final = 64 * 1024
"""Size of one sample as JSON if it is not in the plain form, which is the only one that is parsed at any size."""
MAX_REASONS: Final = 20
"""Number of reasons kept for one payload; further rejected samples are only counted."""


MAX_NAMES: Final = 10
"""Names of fields or columns that an error message lists."""


class PayloadError(ValueError):
    """A payload that cannot be decoded as a whole; the message says what is wrong, what is allowed, what to do."""


class SampleError(ValueError):
    """A sample that cannot be read; the message says which value is wrong and what is allowed."""


def check_size(payload: bytes) -> None:
    """Raise `PayloadError` if a payload is too large to be decoded."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"{len(payload):,} bytes in one payload; the limit is {MAX_PAYLOAD_BYTES:,}")


def check_rows(rows: int, *, or_more: bool = False) -> None:
    """Raise `PayloadError` if a payload has too many samples; `or_more` says that not all were counted."""
    if rows > MAX_ROWS:
        counted = f"{rows:,} or more" if or_more else f"{rows:,}"
        raise PayloadError(f"{counted} samples in one payload; the limit is {MAX_ROWS:,}: send several messages")


def named(names: Iterable[str]) -> str:
    """Return names for an error message, the first few of many."""
    listed = ", ".join(f"{name[:40]!r}" for name in itertools.islice(names, MAX_NAMES))
    return listed or "none"


def shorten(reasons: list[str], what: str) -> tuple[str, ...]:
    """Return the first `MAX_REASONS` reasons, and the number of further `what` in place of the others."""
    others = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], f"and {others} more {what}") if others > 0 else tuple(reasons)
