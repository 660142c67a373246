"""Membership: which nodes of a cluster are alive, from one record that each of them writes every second."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cluster.leases import LEASE_S, ConflictError, Store

KEY: Final = "nodes"
MAX_NODES: Final = 64
"""As many as there can be ranges; a further one would have nothing to do."""
FORGET_S: Final = 15.0
"""Seconds of silence after which a node is removed from the record. Until then, a new node first counts it as alive."""
ATTEMPTS: Final = 5
"""Of a write, if other nodes write at the same time; the next second brings another chance."""


class MembershipError(Exception):
    """This node cannot join; the text says why, and what to do."""


class Nodes(msgspec.Struct, frozen=True):
    """The record: how often each node has written it."""

    beats: dict[str, int] = {}


@dataclass
class Membership:
    """One node's view of which nodes are alive. `clock` must run while the process is stopped, as that of `Leases`."""

    store: Store
    node: str
    clock: Callable[[], float]
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    async def beat(self) -> frozenset[str]:
        """Write that this node is alive; return all that are, this one included.

        Raises `MembershipError` if there are too many, `OSError` if the store cannot be reached.
        """
        found = Nodes()
        for _ in range(ATTEMPTS):
            found, revision = await self._read()
            kept = {name: beat for name, beat in found.beats.items() if self._silent_s(name) < FORGET_S}
            if self.node not in kept and len(kept) >= MAX_NODES:
                raise MembershipError(
                    f"the cluster has {MAX_NODES} nodes already, and no range is left for another; stop one first"
                )
            kept[self.node] = found.beats.get(self.node, 0) + 1
            with contextlib.suppress(ConflictError):
                await self.store.put(KEY, msgspec.json.encode(Nodes(kept)), revision)
                break
        return frozenset(name for name in found.beats if self._silent_s(name) < LEASE_S) | {self.node}

    async def leave(self) -> None:
        """Take this node out of the record, so that the others need not wait until it is silent."""
        for _ in range(ATTEMPTS):
            found, revision = await self._read()
            kept = {name: beat for name, beat in found.beats.items() if name != self.node}
            with contextlib.suppress(ConflictError):
                await self.store.put(KEY, msgspec.json.encode(Nodes(kept)), revision)
                return

    async def _read(self) -> tuple[Nodes, int]:
        entry = await self.store.get(KEY)
        found = Nodes() if entry is None else msgspec.json.decode(entry.value, type=Nodes)
        now = self.clock()
        for name, beat in found.beats.items():
            if self._seen.get(name, (-1, 0.0))[0] != beat:
                self._seen[name] = (beat, now)
        self._seen = {name: seen for name, seen in self._seen.items() if name in found.beats}
        return found, 0 if entry is None else entry.revision

    def _silent_s(self, name: str) -> float:
        """Return for how long a node has not written; 0 for itself, which may be slow but is there."""
        return 0.0 if name == self.node else self.clock() - self._seen[name][1]
