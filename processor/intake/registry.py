"""This file knows who is there: pumps by dense number, gateways, and how the time of each gateway runs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from broker.contract.gateway_messages import Birth, Status
from broker.store.snapshot import GATEWAYS_SCHEMA
from processor.intake.gateway_clocks import MAX_MS, ClockVotes, Ints

MAX_PUMPS: Final = 2_000_000
MAX_GATEWAYS: Final = 100_000
MS_PER_S: Final = 1000.0


LEFT: Final = "left"
"""The state of a gateway that ended on purpose."""
_FACTS: Final[dict[str, pl.DataType]] = {
    "site": pl.String(),
    "model": pl.String(),
    "lot": pl.String(),
    "group": pl.String(),
    "reservoir_capacity_ml": pl.Float32(),
    "concentration_ug_ml": pl.Float32(),
    "prescription": pl.String(),
    "dose_ug_day": pl.Float32(),
}


class RegistryFullError(Exception):
    """More pumps or gateways than are kept; the text says which and how many."""


@dataclass
class Gateway:
    """One gateway: what its birth and status said, and where its therapy clock stood when it was last heard.

    `sent` is the stamp of the last message with samples, `newest` the highest of all, `resent` how many messages came
    that it sent again of itself.
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

    def hear(self, therapy_ms: int, wall_ms: int) -> None:
        """Note that the gateway spoke, and where its therapy clock stood."""
        self.heard_wall, self.heard_therapy, self.state = wall_ms, therapy_ms, "online"

    def takes(self, sent: int | None, wall_ms: int) -> bool:
        """Note a message with samples by its stamp; tell whether this gateway sends it again of itself.

        Only gateways that introduce themselves do so, after a lost connection, and in order: then the stamp is no
        newer than what was heard. Who has no stamps, or no birth, has no outbox, and repeats by fault.
        """
        self.hear(self.therapy_ms(wall_ms), wall_ms)
        again = self.born and sent is not None and self.newest is not None and sent <= self.newest
        self.resent += again
        self.sent = sent
        if sent is not None:
            self.newest = sent if self.newest is None else max(self.newest, sent)
        return again

    def therapy_ms(self, wall_ms: int) -> int:
        """Return where this gateway's therapy clock stands at that wall time, as far as it can be known."""
        return int(self.heard_therapy + max(0, wall_ms - self.heard_wall) * self.speed)


@dataclass
class Registry:
    """All pumps and gateways ever heard of. Numbers are given in order of appearance and never change.

    `turned_away` counts how often one more than are kept wanted in, `dropped` the samples that gateways said they had
    to drop, both since the processor began.
    """

    faults: tuple[str, ...] = ()
    turned_away: int = 0
    dropped: int = 0
    _number: dict[str, int] = field(default_factory=dict)
    _gateways: dict[str, Gateway] = field(default_factory=dict)
    _order: list[Gateway] = field(default_factory=list)
    _of_pump: list[int] = field(default_factory=list)
    _born_therapy: list[int] = field(default_factory=list)
    _facts: list[tuple[str | float | None, ...]] = field(default_factory=list)
    _answers: dict[int, tuple[pl.Series, pl.Series]] = field(default_factory=dict)
    _votes: ClockVotes = field(default_factory=ClockVotes)
    _frame: pl.DataFrame | None = None
    _homes: tuple[pl.DataFrame, Ints, Ints] | None = None

    @classmethod
    def restore(cls, pumps: pl.DataFrame, gateways: list[Gateway], faults: tuple[str, ...]) -> Registry:
        """Return the registry whose `facts()` were `pumps`."""
        found = cls(faults)
        found._order = gateways
        found._gateways = {gateway.name: gateway for gateway in gateways}
        found._number = {serial: number for number, serial in enumerate(pumps["pump"])}
        found._of_pump, found._born_therapy = pumps["owner"].to_list(), pumps["born"].to_list()
        told = [name if name in pumps.columns else pl.lit(None).alias(name) for name in _FACTS]
        found._facts = pumps.select(told).rows()
        return found

    @property
    def pumps(self) -> int:
        """How many pumps there are."""
        return len(self._number)

    @property
    def gateways(self) -> list[Gateway]:
        """All gateways, by number."""
        return self._order

    def gateway(self, name: str, shard: int) -> Gateway:
        """Return the gateway of that name, new or known; a known one may have moved to another shard."""
        found = self._gateways.get(name)
        if found is None:
            if len(self._order) >= MAX_GATEWAYS:
                self.turned_away += 1
                raise RegistryFullError(f"{MAX_GATEWAYS:,} gateways are known, which is the limit; {name} is not taken")
            found = Gateway(len(self._order), name, shard)
            self._gateways[name] = found
            self._order.append(found)
        found.shard = shard
        return found

    def take_birth(self, birth: Birth, shard: int, wall_ms: int) -> None:
        """Note a gateway's birth: its pumps become known, and belong to it from now on."""
        gateway = self.gateway(birth.gateway, shard)
        gateway.born, gateway.speed, gateway.state = True, birth.speed, "online"
        gateway.heard_wall, gateway.heard_therapy = wall_ms, birth.time + int((wall_ms - birth.sent) * birth.speed)
        gateway.began_therapy = min(gateway.began_therapy or birth.time, birth.time)
        self.faults = tuple(sorted({*self.faults, *birth.faults}))
        pumps, numbers = birth.pumps, np.empty(len(birth.pumps.serial), np.int64)
        for at, serial in enumerate(pumps.serial):
            numbers[at] = number = self._add(serial, gateway, birth.time)
            self._answers.pop(self._of_pump[number], None)
            self._of_pump[number] = gateway.number
            self._facts[number] = (
                pumps.site[at] if pumps.site else None,
                pumps.model[at] if pumps.model else None,
                pumps.lot[at] if pumps.lot else None,
                pumps.group[at] if pumps.group else None,
                pumps.reservoir_ml[at] if pumps.reservoir_ml else None,
                pumps.concentration_ug_ml[at] if pumps.concentration_ug_ml else None,
                pumps.program[at] if pumps.program else None,
                pumps.dose_ug_day[at] if pumps.dose_ug_day else None,
            )
        self._votes.presume(numbers, gateway.heard_therapy, wall_ms, gateway.speed)
        self._answers.pop(gateway.number, None)
        self._frame = None

    def take_leave(self, name: str, shard: int) -> None:
        """Note that a gateway took its birth back: it left on purpose and its pumps are watched no more."""
        gateway = self.gateway(name, shard)
        gateway.born, gateway.state = False, LEFT

    def take_status(self, status: Status, shard: int) -> None:
        """Note what a gateway says of itself, or the broker in its name."""
        gateway = self.gateway(status.gateway, shard)
        # Its count begins anew where the gateway did.
        before = gateway.dropped if status.dropped >= gateway.dropped else 0
        self.dropped += status.dropped - before
        gateway.waiting, gateway.dropped = status.waiting, status.dropped
        if gateway.state != LEFT or status.state == "online":
            gateway.state = status.state

    def clock_set(self, step_ms: int) -> None:
        """Note that the wall clock was set by so much: what was heard was heard as long ago as before."""
        self._votes.clock_set(step_ms)
        for gateway in self._order:
            gateway.heard_wall += step_ms

    def droppers(self, most: int = 3) -> list[tuple[str, int]]:
        """Return the gateways that dropped most, with how many samples; none where none dropped any."""
        if not self.dropped:
            return []
        worst = heapq.nlargest(most, self._order, key=lambda gateway: gateway.dropped)
        return [(gateway.name, gateway.dropped) for gateway in worst if gateway.dropped]

    def pumps_of(self, name: str) -> list[str]:
        """Return the serials of the pumps a gateway speaks for; none where it is not known."""
        gateway = self._gateways.get(name)
        return [] if gateway is None else self.facts().filter(pl.col("owner") == gateway.number)["pump"].to_list()

    def number_of(self, serial: str) -> int | None:
        """Return a pump's number, None where it is not known."""
        return self._number.get(serial)

    def number_of_gateway(self, name: str) -> int | None:
        """Return a gateway's number, None where it is not known."""
        gateway = self._gateways.get(name)
        return None if gateway is None else gateway.number

    def standing(self, name: str) -> tuple[str | None, int]:
        """Return a gateway's state and the therapy time (ms) it was last heard at; None and 0 where it is not known."""
        gateway = self._gateways.get(name)
        return (None, 0) if gateway is None else (gateway.state, gateway.heard_therapy)

    def hear(self, pumps: pl.Series, times_ms: pl.Series, wall_ms: int) -> None:
        """Note that these pumps spoke, as numbers with the times of their samples in order of arrival.

        By that the clocks of their gateways are set (`processor.intake.gateway_clocks`).
        """
        numbers, times = pumps.to_numpy().astype(np.int64), times_ms.to_numpy()
        if not len(numbers):
            return
        owner = self.facts()["owner"].to_numpy()
        speed = np.array([gateway.speed for gateway in self._order])
        speakers = owner[numbers]
        self._votes.take(numbers, times, wall_ms, (MAX_MS / speed).astype(np.int64)[speakers])
        spoke = np.zeros(len(self._order), np.bool_)
        spoke[speakers] = True
        theirs, homes = self._by_home()
        if not spoke.all():
            here = spoke[homes]
            theirs, homes = theirs[here], homes[here]
        for number, therapy in zip(*self._votes.stand(theirs, homes, speed, wall_ms), strict=True):
            self._order[number].hear(int(therapy), wall_ms)

    def _by_home(self) -> tuple[Ints, Ints]:
        """Return the numbers of all pumps in the order of their gateways, and the numbers of these."""
        facts = self.facts()
        if self._homes is None or self._homes[0] is not facts:
            owner = facts["owner"].to_numpy().astype(np.int64)
            by_home = np.argsort(owner, kind="stable")
            self._homes = facts, by_home, owner[by_home]
        return self._homes[1:]

    def numbers(self, gateway: Gateway, serials: pl.Series, time_ms: int) -> pl.Series:
        """Return the numbers (UInt32) of the pumps a gateway speaks for in one frame, null where it may not.

        A gateway with a birth speaks for the pumps of its birth; one without may bring any new pump, but none that
        belongs to another gateway. A gateway names the same pumps in frame after frame, so the last answer is kept.
        A new one is known since `time_ms`. Their times are heard by `hear`.
        """
        known, numbers = self._answers.get(gateway.number, (None, None))
        if known is None or numbers is None or not serials.equals(known):
            numbers = pl.Series(
                "pump", [self._number_for(gateway, serial, time_ms) for serial in serials], dtype=pl.UInt32
            )
            self._answers[gateway.number] = (serials, numbers)
        return numbers

    def number(self, gateway: Gateway, serial: str, time_ms: int) -> int | None:
        """Do the same for one sample."""
        return self._number_for(gateway, serial, time_ms)

    def _number_for(self, gateway: Gateway, serial: str, time_ms: int) -> int | None:
        number = self._number.get(serial)
        if number is None:
            if gateway.born:
                return None
            if self.pumps >= MAX_PUMPS:
                self.turned_away += 1
                return None
            return self._add(serial, gateway, time_ms)
        return number if self._of_pump[number] == gateway.number else None

    def why_refused(self, gateway: Gateway, serial: str) -> str:
        """Say why a gateway may not speak for a pump."""
        number = self._number.get(serial)
        if number is not None:
            owner = self._order[self._of_pump[number]].name
            return f"pump {serial!r} belongs to {owner}; {gateway.name} must name it in a birth to take it over"
        if gateway.born:
            return f"unknown pump {serial!r}: it is not in the birth of {gateway.name}"
        return f"{MAX_PUMPS:,} pumps are known, which is the limit; {serial!r} is not taken"

    def _add(self, serial: str, gateway: Gateway, time_ms: int) -> int:
        number = self._number.get(serial)
        if number is None:
            if self.pumps >= MAX_PUMPS:
                self.turned_away += 1
                raise RegistryFullError(f"{MAX_PUMPS:,} pumps are known, which is the limit; {serial} is not taken")
            number = self._number[serial] = self.pumps
            self._of_pump.append(gateway.number)
            self._born_therapy.append(time_ms)
            self._facts.append((None,) * len(_FACTS))
            self._frame = None
        return number

    def facts(self) -> pl.DataFrame:
        """Return one row a pump, by number: serial, gateway and what its birth told (null where none did)."""
        if self._frame is None or self._frame.height != self.pumps:
            names = pl.Series("gateway", [gateway.name for gateway in self._order], dtype=pl.String)
            owners = pl.Series("owner", self._of_pump, dtype=pl.UInt32)
            self._frame = pl.DataFrame(self._facts, schema=_FACTS, orient="row").with_columns(
                pl.Series("pump", list(self._number), dtype=pl.String),
                owners,
                names.gather(owners).alias("gateway"),
                pl.Series("born", self._born_therapy, dtype=pl.Int64),
            )
        return self._frame

    def clocks(self, wall_ms: int) -> pl.Series:
        """Return each pump's therapy now (Int64 ms), by the clock of its gateway."""
        of_gateway = np.array([gateway.therapy_ms(wall_ms) for gateway in self._order], dtype=np.int64)
        return pl.Series("now", of_gateway[self.facts()["owner"].to_numpy()], dtype=pl.Int64)

    def gateways_in(self, *states: str) -> pl.Series:
        """Return for each gateway whether it is in one of these states (Boolean)."""
        return pl.Series("in", [gateway.state in states for gateway in self._order], dtype=pl.Boolean)

    def gateways_frame(self) -> pl.DataFrame:
        """Return the gateways as the snapshot shows them."""
        counts = np.bincount(self.facts()["owner"].to_numpy(), minlength=len(self._order))
        rows = [
            (
                g.name,
                g.shard,
                g.state,
                int(count),
                g.speed,
                g.heard_therapy,
                g.heard_wall,
                g.waiting,
                g.dropped,
                g.resent,
            )
            for g, count in zip(self._order, counts, strict=True)
        ]
        return pl.DataFrame(rows, schema=GATEWAYS_SCHEMA, orient="row")
