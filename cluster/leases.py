"""Leases: which node owns which range, by compare-and-set in a key-value store.

A lease is a record with its owner and epoch. Its owner renews it by writing it again, which changes its revision. A
node that sees the same revision for `LEASE_S` by its own clock takes the lease over by a write that names this
revision. No two clocks are compared: the owner counts from before its write was sent, others from after they read it,
so the owner's time is always over first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

LEASE_S: Final = 5.0
"""How long a lease lasts without being renewed; a dead owner's range is taken over after this and one look."""
RENEW_S: Final = 1.0
"""How often leases are renewed and looked at."""
MARGIN_S: Final = 1.0
"""The owner stops this long before others may take over, for clocks that do not run equally fast."""
NOBODY: Final = ""
"""Owner of a lease that was given back."""
MERGER: Final = 64
"""Number of the lease of the merger, after those of the ranges."""


class ConflictError(Exception):
    """The record has another revision than the one that the write named: somebody else was faster."""


class Record(msgspec.Struct, frozen=True):
    """The value of a lease."""

    owner: str
    epoch: int


@dataclass(frozen=True)
class Entry:
    """A value of the store with its revision, which no other value of the store ever had."""

    value: bytes
    revision: int


class Store(Protocol):
    """A key-value store with compare-and-set; every method may raise `OSError` if it cannot be reached."""

    async def get(self, key: str) -> Entry | None:
        """Return the value of a key, None if it has none."""

    async def put(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key still has that revision, 0 for none; return the new one, or raise `ConflictError`."""


@dataclass
class Lease:
    """A lease that this node holds, and until when (s of its clock); `former` is the silent node that had it before."""

    number: int
    epoch: int
    revision: int
    until_s: float
    former: str = NOBODY

    def mine(self, now_s: float) -> bool:
        """Return whether nobody else can own the range yet: to be asked after the sync and before the confirmation."""
        return now_s < self.until_s


@dataclass
class _Seen:
    revision: int
    at_s: float


@dataclass
class Leases:
    """The leases of one node. `clock` must run while the process is stopped: seconds since the machine started.

    `taken_over` counts those that were taken from a silent owner.
    """

    store: Store
    node: str
    clock: Callable[[], float]
    held: dict[int, Lease] = field(default_factory=dict)
    taken_over: int = 0
    _seen: dict[int, _Seen] = field(default_factory=dict)

    async def owner(self, number: int) -> str:
        """Return who owns a range, `NOBODY` if it is free.

        Call it for all ranges again and again: a lease is silent only for as long as it was looked at.
        """
        record, _ = await self._read(number)
        return record.owner

    async def acquire(self, number: int) -> Lease | None:
        """Take a range that is free or whose owner is silent; None if somebody owns it or was faster.

        The lease is a new one, with the next epoch: one that this node lost earlier never becomes its own again.
        """
        record, revision = await self._read(number)
        if record.owner != NOBODY and self.clock() - self._seen[number].at_s < LEASE_S:
            return None
        lease = Lease(number, record.epoch + 1, revision, 0.0, record.owner)
        if not await self._write(lease):
            return None
        self.taken_over += record.owner != NOBODY
        self.held[number] = lease
        return lease

    async def renew(self, number: int) -> bool:
        """Renew a lease that this node holds; return whether it still holds it.

        After its time is over it is not renewed even if nobody took it: what was not confirmed in time is redone
        under a new epoch.
        """
        lease = self.held[number]
        if lease.mine(self.clock()) and await self._write(lease):
            return True
        self.held.pop(number, None)
        return False

    async def release(self, number: int) -> None:
        """Give a range back, after its processor has stopped, so that another node need not wait."""
        lease = self.held.pop(number)
        record = msgspec.json.encode(Record(NOBODY, lease.epoch))
        try:
            await self.store.put(key_of(number), record, lease.revision)
        except ConflictError:
            # Somebody took it over meanwhile, so there is nothing to give back.
            return

    async def _read(self, number: int) -> tuple[Record, int]:
        """Return a lease and its revision, and note since when it has had this revision."""
        entry = await self.store.get(key_of(number))
        record = Record(NOBODY, 0) if entry is None else msgspec.json.decode(entry.value, type=Record)
        revision, seen = 0 if entry is None else entry.revision, self._seen.get(number)
        if seen is None or seen.revision != revision:
            self._seen[number] = _Seen(revision, self.clock())
        return record, revision

    async def _write(self, lease: Lease) -> bool:
        """Write a lease over the revision that it knows; return whether it was still that one.

        An earlier write may have arrived without an answer: then the revision is another, but the record is ours.
        """
        own = Record(self.node, lease.epoch)
        sent, value = self.clock(), msgspec.json.encode(own)
        try:
            lease.revision = await self.store.put(key_of(lease.number), value, lease.revision)
        except ConflictError:
            record, revision = await self._read(lease.number)
            if record != own:
                return False
            try:
                lease.revision = await self.store.put(key_of(lease.number), value, revision)
            except ConflictError:
                return False
        lease.until_s = sent + LEASE_S - MARGIN_S
        return True


def key_of(number: int) -> str:
    """Return the key of the lease of a range, or of the merger."""
    return "merger" if number == MERGER else f"range.{number:02d}"


def fair_share(nodes: Iterable[str], owners: Mapping[int, str], ranges: int) -> dict[str, frozenset[int]]:
    """Return which ranges each live node shall own: numbers that differ by one at most, with as few moves as possible.

    `owners` says who owns a range now. The same arguments give the same answer on every node, so that they agree
    without talking to each other.
    """
    names = sorted(set(nodes))
    if not names:
        return {}
    kept = {name: sorted(number for number in range(ranges) if owners.get(number) == name) for name in names}
    # Those who own most keep the larger shares, so that less moves.
    order = sorted(names, key=lambda name: (-len(kept[name]), name))
    least, larger = divmod(ranges, len(names))
    quota = {name: least + (place < larger) for place, name in enumerate(order)}
    shares = {name: kept[name][: quota[name]] for name in names}
    taken = {number for share in shares.values() for number in share}
    free = iter(number for number in range(ranges) if number not in taken)
    for name in order:
        shares[name].extend(number for _, number in zip(range(quota[name] - len(shares[name])), free, strict=False))
    return {name: frozenset(share) for name, share in shares.items()}
