"""Leases that the servers lost, or have in an older state: the data directory knows which epochs there have been.

Servers that lose their disks, or start on an older copy of them, give leases with epochs of the past, or none.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from cluster import joining, layout
from cluster.leases import NOBODY, ConflictError, Entry, Record, Store, key_of
from cluster.preflight import Identity

BEFORE: Final = "owner before the loss"
"""Owner of a lease that the servers lost: somebody may still hold it by its own clock, so it is not free at once."""


@dataclass(frozen=True)
class RaisedLeases:
    """A store of leases in which none of a range has an epoch before the latest one in the data directory.

    Its owner is then unknown. As with one that is silent, others wait until it cannot believe any more that it holds
    the lease. If the servers lost the leases, they get back what cluster this is, so that no other takes them.
    """

    store: Store
    data: Path
    identity: Identity

    async def get(self, key: str) -> Entry | None:
        """Return the value of a key, None if it has none; raises `OSError` if servers or directory do not answer."""
        entry, number = await self.store.get(key), self._range_of(key)
        if number is None:
            return entry
        latest = max(layout.epochs(self.data, number), default=0)
        record = Record(NOBODY, 0) if entry is None else msgspec.json.decode(entry.value, type=Record)
        if record.epoch >= latest:
            return entry
        if entry is None:
            with contextlib.suppress(ConflictError):
                await joining.tell(self.store, self.identity)
        return Entry(msgspec.json.encode(Record(BEFORE, latest)), 0 if entry is None else entry.revision)

    async def put(self, key: str, value: bytes, revision: int) -> int:
        """Write as the store does: if the key still has that revision."""
        return await self.store.put(key, value, revision)

    def _range_of(self, key: str) -> int | None:
        return next((number for number in range(self.identity.ranges) if key == key_of(number)), None)
