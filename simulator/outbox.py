"""This file keeps what a gateway sent and the broker has not yet confirmed, in order, within a bound. It is pure."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 100
"""Messages of one gateway on their way at once; below any broker's receive maximum."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One telemetry payload and how many samples are in it."""

    payload: bytes
    samples: int


@dataclass
class Outbox:
    """First in, first out; a parcel leaves when it is confirmed.

    Over `max_bytes` the oldest parcel that is not on its way is let go of, and its samples counted in `dropped`: the
    newest tell how the pump is now, and the gap shows in `seq`.
    """

    max_bytes: int
    bytes: int = 0
    dropped: int = 0
    refused: int = 0
    _waiting: collections.deque[Parcel] = field(default_factory=collections.deque)
    _under_way: dict[int, Parcel] = field(default_factory=dict)
    _window: int = 1

    def put(self, parcel: Parcel) -> None:
        """Take a parcel in, letting go of the oldest ones if there is no room."""
        self._waiting.append(parcel)
        self.bytes += len(parcel.payload)
        while self.bytes > self.max_bytes and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            self.bytes -= len(oldest.payload)
            self.dropped += oldest.samples

    def next(self) -> Parcel | None:
        """Return the parcel to send now, if any may be sent; `sent` must follow."""
        return self._waiting[0] if self._waiting and len(self._under_way) < self._window else None

    def sent(self, mid: int) -> None:
        """Note that the parcel from `next` is on its way under that id."""
        self._under_way[mid] = self._waiting.popleft()

    def confirmed(self, mid: int, refusal: str | None) -> None:
        """Note that the broker has it, or will not have it; an id of something else is not ours to note."""
        parcel = self._under_way.pop(mid, None)
        if parcel is not None:
            self.bytes -= len(parcel.payload)
            self.refused += parcel.samples if refusal else 0
            self._window = WINDOW

    def holds(self, mid: int) -> bool:
        """Tell whether a parcel is on its way under that id."""
        return mid in self._under_way

    def start_over(self) -> None:
        """Put what was on its way back in front, in order: it did not arrive.

        Then one goes alone, until it is confirmed: else a later one could be heard before an earlier one.
        """
        self._window = 1
        self._waiting.extendleft(reversed(self._under_way.values()))
        self._under_way.clear()

    @property
    def waiting(self) -> int:
        """How many samples are not confirmed yet."""
        return sum(parcel.samples for parcel in (*self._waiting, *self._under_way.values()))
