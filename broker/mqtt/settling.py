"""Work on thousands of sessions in steps, and waiting until they have finished, by progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

SLICES: Final = 100
"""Parts of the sessions that are handled one after the other, so that the event loop runs in between."""
PROGRESS_INTERVAL_S: Final = 1.0
POLL_S: Final = 0.02
STALL_S: Final = 2.0
"""After this time without progress nobody waits any more for sessions to finish."""

S = TypeVar("S")


def slices(sessions: Sequence[S]) -> Iterator[Sequence[S]]:
    """Yield sessions in at most `SLICES` parts."""
    size = -(-len(sessions) // SLICES)
    for first in range(0, len(sessions), size):
        yield sessions[first : first + size]


async def settle(left: Callable[[], int], progress: Callable[[int], None], *, limit_s: float = 5.0) -> int:
    """Wait until nothing is `left`, or until that has not changed for `STALL_S`; return what is left.

    `progress` gets what is left, at most every `PROGRESS_INTERVAL_S`.
    """
    now = asyncio.get_running_loop().time
    began = changed = shown = now()
    before = left()
    while before and now() - changed < STALL_S and now() - began < limit_s:
        await asyncio.sleep(POLL_S)
        count = left()
        if count != before:
            before, changed = count, now()
        if now() - shown >= PROGRESS_INTERVAL_S:
            shown = now()
            progress(count)
    return before
