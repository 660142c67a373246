"""Outbox of a gateway: keeps parcels in order until they are safe elsewhere, up to a limit.

A parcel is safe when the broker has confirmed it; if a processor confirms what is durable (`patient`), only then: a
broker that is killed loses what it had confirmed.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from simulator.gateway.spool import Place, Spool

WINDOW: Final = 100
"""Messages of one gateway in flight at once; below the receive maximum of any broker."""

Payload = bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """One telemetry payload, the number of samples in it, and the stamp by which the processor confirms it.

    If it has a `place`, the payload is on disk and empty here.
    """

    payload: bytes
    samples: int
    stamp: int = 0
    place: Place | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, or on disk."""
        return len(self.payload) if self.place is None else self.place.length


class Tally(NamedTuple):
    """What a confirmation said: up to `stamp` the processor had taken `total` messages.

    `trusted` are parcels up to `stamp` that a confirmation without a total let go since, and that the total of the next
    one contains.
    """

    stamp: int
    total: int
    trusted: int = 0


@dataclass(slots=True)
class Outbox:
    """First in, first out. With a `spool` the parcels are on disk, and those of an earlier run go first.

    Above `max_bytes`, or with a spool above `max_samples`, parcels are dropped: first the oldest of those that the
    broker has, which are most likely safe and are counted in `unsure`; then the oldest that are not in flight, counted
    in `dropped`. The newest show how the pump is now, and a gap shows in `seq`.

    A broker queues only so much for a processor that is offline or slow, and drops the rest although it confirmed it.
    Therefore parcels in flight and those that the broker has and we keep, `unconfirmed` bytes, are together no more
    than `max_unconfirmed`, or a single parcel.

    A broker may also lose single messages that it has confirmed. The processor counts what it takes: `broker_losses` is
    how often that was less than what had been sent, which was then sent again.
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
    broker_losses: int = 0
    last_stamp: int = 0
    _waiting: collections.deque[Parcel] = field(default_factory=collections.deque)
    _in_flight: dict[int, Parcel] = field(default_factory=dict)
    _taken: collections.deque[Parcel] = field(default_factory=collections.deque)
    _window: int = 1
    _durable: int = -1
    _asked_for: int = -1
    _known: Tally | None = None

    def __post_init__(self) -> None:
        for kept in self.spool.load() if self.spool else ():
            self._admit(Parcel(b"", kept.samples, kept.stamp, kept.place))

    def put(self, parcel: Parcel) -> None:
        """Add a parcel, dropping the oldest if there is no room; a parcel that the disk refuses is kept in memory."""
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
                self.unsure += self._drop(self._settle(self._taken.popleft()))
            else:
                self.dropped += self._drop(self._waiting.popleft())

    def _is_full(self) -> bool:
        return self.bytes > self.max_bytes or (self.max_samples is not None and self.samples > self.max_samples)

    def _drop(self, parcel: Parcel) -> int:
        self.bytes -= parcel.size
        self.samples -= parcel.samples
        if parcel.place is not None and self.spool is not None:
            self.spool.forget(parcel.place)
        return parcel.samples

    def next(self) -> Parcel | None:
        """Return the parcel to send now, or None; `sent` must follow."""
        if not self._waiting or len(self._in_flight) >= self._window:
            return None
        parcel = self._waiting[0]
        full = self.max_unconfirmed is not None and self.unconfirmed + parcel.size > self.max_unconfirmed
        return None if full and self.unconfirmed else parcel

    def payload(self, parcel: Parcel) -> Payload:
        """Return the payload to send; raises `OSError` if it cannot be read from disk."""
        return parcel.payload if parcel.place is None or self.spool is None else self.spool.read(parcel.place)

    def lose(self) -> None:
        """Drop the parcel from `next`, which cannot be read from disk."""
        self.dropped += self._drop(self._waiting.popleft())

    def sent(self, mid: int) -> None:
        """Note that the parcel from `next` is in flight under that id."""
        parcel = self._waiting.popleft()
        self._in_flight[mid] = parcel
        self.unconfirmed += parcel.size

    def _settle(self, parcel: Parcel) -> Parcel:
        """Count a parcel as no longer with the broker, and return it."""
        self.unconfirmed -= parcel.size
        return parcel

    def confirmed(self, mid: int, *, delivered: bool) -> None:
        """Note whether the broker accepted the parcel sent under that id; ids of other messages are ignored."""
        parcel = self._in_flight.pop(mid, None)
        if parcel is None:
            return
        self._window = WINDOW
        if parcel.stamp <= self._durable:
            self._drop(self._settle(parcel))
        elif not delivered:
            self.refused += self._drop(self._settle(parcel))
        elif self.patient:
            self._taken.append(parcel)
        else:
            self._drop(self._settle(parcel))

    def durable(self, stamp: int, total: int | None = None, newest: int | None = None) -> None:
        """Note that the processor has made the parcel of that stamp durable, and all that were sent before it.

        From then on parcels are kept until the processor confirms them. A stamp that no parcel has belongs to an
        earlier run and is ignored. So is that of a parcel that the processor asked to send again, until it is sent: the
        broker may have delivered it the first time, but lost those before it.

        `total` is how many messages the processor has taken up to `newest` (None: up to `stamp`). If that grew by less
        than the parcels held since the last confirmation with a total, the broker has lost some: all these are sent
        again. The processor counts only what is newer than all before, so that counting begins anew after them.
        """
        self.patient = True
        if newest is not None:
            # The last message was an earlier one again: it says nothing about those before it, unless we began anew.
            stamp, total = (newest, total) if self._may_confirm(newest) else (stamp, None)
        if not self._may_confirm(stamp):
            return
        known = self._known
        if total is None:
            if known is not None and stamp > known.stamp:
                self._known = Tally(stamp, known.total, known.trusted + self._count(known.stamp, stamp))
            self._let_go(stamp)
            return
        self._known = Tally(stamp, total)
        # A smaller total is of another processor, which does not know what this one has taken.
        taken = None if known is None or total < known.total else total - known.total
        if known is None or taken is None or self._count(known.stamp, stamp) + known.trusted <= taken:
            self._let_go(stamp)
            return
        # What is still held up to the earlier confirmation was lost then, and has been sent again before this one.
        self._let_go(known.stamp)
        self.broker_losses += 1
        self.send_again()

    def _may_confirm(self, stamp: int) -> bool:
        """Return whether a parcel has that stamp, and it is not one that is still to be sent again on request."""
        if stamp <= self._asked_for and any(parcel.stamp == stamp for parcel in self._waiting):
            return False
        return any(parcel.stamp == stamp for parcel in self._held())

    def _count(self, after: int, until: int) -> int:
        """Return the number of parcels with a stamp above the one and up to the other."""
        return sum(after < parcel.stamp <= until for parcel in self._held())

    def _let_go(self, stamp: int) -> None:
        """Drop the parcels up to that stamp, those in flight when they have arrived: their ids are to be confirmed."""
        self._durable = max(self._durable, stamp)
        while self._taken and self._taken[0].stamp <= stamp:
            self._drop(self._settle(self._taken.popleft()))
        while self._waiting and self._waiting[0].stamp <= stamp:
            self._drop(self._waiting.popleft())

    def _held(self) -> Iterator[Parcel]:
        return itertools.chain(self._taken, self._in_flight.values(), self._waiting)

    def holds(self, mid: int) -> bool:
        """Return whether a parcel is in flight under that id."""
        return mid in self._in_flight

    def start_over(self) -> None:
        """Put all parcels that are not safe back in front, in order: they may not have arrived.

        Then one is sent alone until it is confirmed; otherwise a later one could arrive before an earlier one.
        """
        self._window = 1
        kept = [self._settle(parcel) for parcel in (*self._taken, *self._in_flight.values())]
        for parcel in reversed(kept):
            if parcel.stamp <= self._durable:
                self._drop(parcel)
            else:
                self._waiting.appendleft(parcel)
        self._taken.clear()
        self._in_flight.clear()

    def send_again(self) -> None:
        """Start over because the processor asks for it: the broker lost what it had confirmed, or some of it."""
        self.start_over()
        self._asked_for = max((parcel.stamp for parcel in self._waiting), default=-1)

    @property
    def waiting(self) -> int:
        """Samples that the broker has not confirmed yet."""
        return sum(parcel.samples for parcel in (*self._waiting, *self._in_flight.values()))

    def close(self) -> None:
        """Close the file of the spool."""
        if self.spool is not None:
            self.spool.close()
