"""This file keeps what a gateway sent until it is safe elsewhere, in order, within a bound.

A parcel is safe once the broker has it; where a processor tells what it has made durable (`patient`), only then: a
broker that is killed loses what it had confirmed.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from simulator.gateway.spool import Place, Spool

WINDOW: Final = 100
"""Messages of one gateway on their way at once; below any broker's receive maximum."""

Payload = bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """One telemetry payload, how many samples are in it, and the stamp by which the processor tells of it.

    The payload of one with a `place` is on disk and empty here.
    """

    payload: bytes
    samples: int
    stamp: int = 0
    place: Place | None = None

    @property
    def size(self) -> int:
        """How many bytes it takes of the memory, or of the disk."""
        return len(self.payload) if self.place is None else self.place.length


@dataclass
class Outbox:
    """First in, first out. With a `spool` the parcels are on disk, and those it has from before go first.

    Over `max_bytes`, or with a spool over `max_samples`, parcels are let go of: first the oldest of those that the
    broker has, which most likely are safe and are counted in `unsure`; then the oldest that are not on their way,
    counted in `dropped`. The newest tell how the pump is now, and a gap shows in `seq`.

    A broker keeps only so much for a processor that is away or slow, and drops what is more though it has confirmed it.
    So the parcels on their way and those that the broker has and we keep, `unconfirmed` bytes, are together no more
    than `max_unconfirmed`, or a single one.
    """

    max_bytes: int
    max_samples: int | None = None
    spool: Spool | None = None
    patient: bool = False
    max_unconfirmed: int | None = None
    unconfirmed: int = 0
    bytes: int = 0
    samples: int = 0
    dropped: int = 0
    unsure: int = 0
    refused: int = 0
    disk_refusals: int = 0
    last_stamp: int = 0
    _waiting: collections.deque[Parcel] = field(default_factory=collections.deque)
    _under_way: dict[int, Parcel] = field(default_factory=dict)
    _taken: collections.deque[Parcel] = field(default_factory=collections.deque)
    _window: int = 1
    _durable: int = -1

    def __post_init__(self) -> None:
        for kept in self.spool.load() if self.spool else ():
            self._admit(Parcel(b"", kept.samples, kept.stamp, kept.place))

    def put(self, parcel: Parcel) -> None:
        """Take a parcel in, letting go of the oldest ones if there is no room; a disk that refuses it is counted."""
        if self.spool is not None:
            try:
                kept = self.spool.keep(parcel.payload, parcel.samples, parcel.stamp)
            except OSError:
                self.disk_refusals += 1
            else:
                parcel = replace(parcel, payload=b"", place=kept.place)
        self._admit(parcel)

    def _admit(self, parcel: Parcel) -> None:
        self._waiting.append(parcel)
        self.bytes += parcel.size
        self.samples += parcel.samples
        self.last_stamp = max(self.last_stamp, parcel.stamp)
        while self._is_full() and (self._taken or len(self._waiting) > 1):
            if self._taken:
                self.unsure += self._let_go(self._back(self._taken.popleft()))
            else:
                self.dropped += self._let_go(self._waiting.popleft())

    def _is_full(self) -> bool:
        return self.bytes > self.max_bytes or (self.max_samples is not None and self.samples > self.max_samples)

    def _let_go(self, parcel: Parcel) -> int:
        self.bytes -= parcel.size
        self.samples -= parcel.samples
        if parcel.place is not None and self.spool is not None:
            self.spool.forget(parcel.place)
        return parcel.samples

    def next(self) -> Parcel | None:
        """Return the parcel to send now, if any may be sent; `sent` must follow."""
        if not self._waiting or len(self._under_way) >= self._window:
            return None
        parcel = self._waiting[0]
        full = self.max_unconfirmed is not None and self.unconfirmed + parcel.size > self.max_unconfirmed
        return None if full and self.unconfirmed else parcel

    def payload(self, parcel: Parcel) -> Payload:
        """Return what to send; raises `OSError` where the disk does not give it back."""
        return parcel.payload if parcel.place is None or self.spool is None else self.spool.read(parcel.place)

    def lose(self) -> None:
        """Let go of the parcel from `next`, which the disk does not give back."""
        self.dropped += self._let_go(self._waiting.popleft())

    def sent(self, mid: int) -> None:
        """Note that the parcel from `next` is on its way under that id."""
        parcel = self._waiting.popleft()
        self._under_way[mid] = parcel
        self.unconfirmed += parcel.size

    def _back(self, parcel: Parcel) -> Parcel:
        """Return a parcel that is with the broker no more, or need not be."""
        self.unconfirmed -= parcel.size
        return parcel

    def confirmed(self, mid: int, *, delivered: bool) -> None:
        """Note that the broker has it, or will not have it; an id of something else is not ours to note."""
        parcel = self._under_way.pop(mid, None)
        if parcel is None:
            return
        self._window = WINDOW
        if parcel.stamp <= self._durable:
            self._let_go(self._back(parcel))
        elif not delivered:
            self.refused += self._let_go(self._back(parcel))
        elif self.patient:
            self._taken.append(parcel)
        else:
            self._let_go(self._back(parcel))

    def durable(self, stamp: int) -> None:
        """Take the processor's word that the parcel of that stamp is durable there, and all that went before it.

        From then on parcels are kept until it says so. A stamp that none of ours has is of another life and says
        nothing.
        """
        self.patient = True
        if not any(parcel.stamp == stamp for parcel in self._held()):
            return
        # Those on their way are let go of when they have arrived: their ids are still to be confirmed.
        self._durable = max(self._durable, stamp)
        while self._taken and self._taken[0].stamp <= stamp:
            self._let_go(self._back(self._taken.popleft()))
        while self._waiting and self._waiting[0].stamp <= stamp:
            self._let_go(self._waiting.popleft())

    def _held(self) -> Iterator[Parcel]:
        return itertools.chain(self._taken, self._under_way.values(), self._waiting)

    def holds(self, mid: int) -> bool:
        """Tell whether a parcel is on its way under that id."""
        return mid in self._under_way

    def start_over(self) -> None:
        """Put all that is not safe back in front, in order: it may not have arrived.

        Then one goes alone, until it is confirmed: else a later one could be heard before an earlier one.
        """
        self._window = 1
        kept = [self._back(parcel) for parcel in (*self._taken, *self._under_way.values())]
        for parcel in reversed(kept):
            if parcel.stamp <= self._durable:
                self._let_go(parcel)
            else:
                self._waiting.appendleft(parcel)
        self._taken.clear()
        self._under_way.clear()

    @property
    def waiting(self) -> int:
        """How many samples the broker does not have yet."""
        return sum(parcel.samples for parcel in (*self._waiting, *self._under_way.values()))

    def close(self) -> None:
        """Let go of the spool's file."""
        if self.spool is not None:
            self.spool.close()
