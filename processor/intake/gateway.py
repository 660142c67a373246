"""One gateway as the registry knows it: what its birth and status reported, and where its therapy clock stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from broker.contract.gateway_messages import Birth, Status
from broker.contract.ranges import EARLIEST_MS, LATEST_MS

RETIRED: Final = "left"
"""State of a gateway that took its birth back; its pumps are monitored no longer."""
MAX_AHEAD_MS: Final = 86_400_000
"""A pump's clock may be this far ahead of its gateway's (therapy ms): time zones and lost clock settings are less."""
MAX_DRIFT_MS: Final = 300_000
"""The wall clocks of gateway and processor may differ by this much, which counts `speed` times in therapy time."""
MAX_BIRTH_DELAY_MS: Final = 7 * 86_400_000
MAX_RETAINED_MS: Final = 366 * 86_400_000
"""Longest time that a birth may have waited in a broker's queue, or as a retained message. If it seems longer, or was
sent a day in the future, the wall clock of the gateway is wrong, and the birth is taken as just sent."""


@dataclass
class Gateway:
    """A gateway and its therapy clock when it was last heard (`heard_wall`, `heard_therapy`, both ms).

    `birth_wall` and `birth_therapy` are where the clocks stood at the birth (stamped `birth_sent`), whatever its pumps
    have sent since.
    `live` is whether anything came from it but copies that the broker retained: those may be of a gateway long gone.
    `sent` is the stamp of the last message with samples, `newest` the highest of all, `resent` the number of messages
    that the gateway redelivered. `delay_ms` is from the stamp of the last message that it did not to its arrival.
    `taken` counts the messages up to `newest`, each once, with those that were rejected as a whole; `rejected` counts
    those rejected since, as they have no stamp that could be read.
    """

    number: int
    name: str
    shard: int
    state: str = "unknown"
    born: bool = False
    live: bool = False
    speed: float = 1.0
    heard_wall: int = 0
    heard_therapy: int = 0
    began_therapy: int = 0
    waiting: int = 0
    dropped: int = 0
    sent: int | None = None
    newest: int | None = None
    resent: int = 0
    taken: int = 0
    rejected: int = 0
    birth_sent: int = 0
    birth_wall: int = 0
    birth_therapy: int = 0
    delay_ms: int | None = None

    def apply_birth(self, birth: Birth, wall_ms: int, *, retained: bool = False) -> bool:
        """Apply a birth: the gateway is online, and its clock stands at the time in the birth.

        Return whether the birth was news. A retained copy of the last birth is none: it is no sign of life.
        """
        if retained and self.born and birth.sent == self.birth_sent:
            return False
        self.live |= not retained
        waited_ms, longest_ms = wall_ms - birth.sent, MAX_RETAINED_MS if retained else MAX_BIRTH_DELAY_MS
        if not -MAX_AHEAD_MS <= waited_ms <= longest_ms:
            waited_ms = 0
        self.born, self.speed, self.birth_sent = True, birth.speed, birth.sent
        self.birth_wall, self.birth_therapy = wall_ms, _within_range(birth.time + int(waited_ms * birth.speed))
        self.hear(self.birth_therapy, wall_ms)
        self.began_therapy = min(self.began_therapy or birth.time, birth.time)
        return True

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
        if wall_ms != self.heard_wall or not self.heard_therapy:
            self.hear(self.therapy_ms(wall_ms), wall_ms)
        self.state, self.live = "online", True
        # One that took its birth back does not send: whoever did it in its name must not end its confirmations.
        self.born |= self.birth_sent > 0
        known = sent is not None and self.newest is not None and sent <= self.newest
        if not known:
            self.taken, self.rejected = self.taken + self.rejected + 1, 0
        redelivered = self.born and known
        self.resent += redelivered
        self.sent = sent
        if not redelivered:
            self.delay_ms = None if sent is None else wall_ms - sent
        if sent is not None:
            self.newest = sent if self.newest is None else max(self.newest, sent)
        return redelivered

    def therapy_ms(self, wall_ms: int) -> int:
        """Return where this gateway's therapy clock stands at that wall time, as far as is known."""
        if not self.heard_therapy:
            return wall_ms
        return _within_range(int(self.heard_therapy + max(0, wall_ms - self.heard_wall) * self.speed))

    def latest_plausible_ms(self, wall_ms: int) -> int:
        """Return the latest time that a sample arriving at that wall time may bear (therapy ms).

        It follows from the birth alone, or from real time if there is none: a clock that is set by the samples of
        pumps is no check on them.
        """
        if not self.born:
            return wall_ms + MAX_AHEAD_MS
        now = self.birth_therapy + max(0, wall_ms - self.birth_wall) * self.speed
        return int(now + MAX_AHEAD_MS + MAX_DRIFT_MS * self.speed)

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`."""
        self.heard_wall += step_ms
        self.birth_wall += step_ms


def _within_range(therapy_ms: int) -> int:
    return min(max(therapy_ms, EARLIEST_MS), LATEST_MS)
