"""One gateway as the registry knows it: what its birth and status reported, and where its therapy clock stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.gateway_messages import Birth, Status
from broker.store.snapshot import GATEWAYS_SCHEMA

RETIRED: Final = "left"
"""State of a gateway that took its birth back; its pumps are monitored no longer."""


@dataclass
class Gateway:
    """A gateway and its therapy clock when it was last heard (`heard_wall`, `heard_therapy`, both ms).

    `sent` is the stamp of the last message with samples, `newest` the highest of all, `resent` the number of messages
    that the gateway redelivered.
    """

    number: int
    name: str
    shard: int
    state: str = "unknown"
    born: bool = False
    speed: float = 1.0
    heard_wall: int = 0
    heard_therapy: int = 0
    began_therapy: int = 0
    waiting: int = 0
    dropped: int = 0
    sent: int | None = None
    newest: int | None = None
    resent: int = 0

    def apply_birth(self, birth: Birth, wall_ms: int) -> None:
        """Apply a birth: the gateway is online, and its clock stands at the time in the birth."""
        self.born, self.speed = True, birth.speed
        self.hear(birth.time + int((wall_ms - birth.sent) * birth.speed), wall_ms)
        self.began_therapy = min(self.began_therapy or birth.time, birth.time)

    def apply_status(self, status: Status) -> int:
        """Apply a status; return how many samples the gateway has dropped since the last one."""
        # The count starts again when the gateway restarts.
        dropped = status.dropped - (self.dropped if status.dropped >= self.dropped else 0)
        self.waiting, self.dropped = status.waiting, status.dropped
        if self.state != RETIRED or status.state == "online":
            self.state = status.state
        return dropped

    def retire(self) -> None:
        """Retire the gateway, which took its birth back."""
        self.born, self.state = False, RETIRED

    def hear(self, therapy_ms: int, wall_ms: int) -> None:
        """Record that the gateway sent something, and where its therapy clock stood."""
        self.heard_wall, self.heard_therapy, self.state = wall_ms, therapy_ms, "online"

    def receive(self, sent: int | None, wall_ms: int) -> bool:
        """Record a message with samples by its stamp; return whether the gateway redelivers it.

        Only gateways that publish a birth redeliver, after a lost connection and in order: then the stamp is no newer
        than one received before. A gateway without stamps or birth has no outbox, and its duplicates are a fault.
        """
        self.hear(self.therapy_ms(wall_ms), wall_ms)
        redelivered = self.born and sent is not None and self.newest is not None and sent <= self.newest
        self.resent += redelivered
        self.sent = sent
        if sent is not None:
            self.newest = sent if self.newest is None else max(self.newest, sent)
        return redelivered

    def therapy_ms(self, wall_ms: int) -> int:
        """Return where this gateway's therapy clock stands at that wall time, as far as is known."""
        return int(self.heard_therapy + max(0, wall_ms - self.heard_wall) * self.speed)


def gateways_frame(gateways: Iterable[Gateway], pumps: Iterable[int]) -> pl.DataFrame:
    """Return the gateways as the snapshot shows them (`GATEWAYS_SCHEMA`); `pumps` is the number of pumps of each."""
    rows = [
        (g.name, g.shard, g.state, int(count), g.speed, g.heard_therapy, g.heard_wall, g.waiting, g.dropped, g.resent)
        for g, count in zip(gateways, pumps, strict=True)
    ]
    return pl.DataFrame(rows, schema=GATEWAYS_SCHEMA, orient="row")
