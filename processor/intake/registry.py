"""Registry of pumps and gateways: pumps by dense number, their facts and owners, and the therapy clocks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.gateway_messages import Birth
from broker.contract.ranges import LATEST_MS
from broker.contract.topics import topic_of
from processor.intake import pump_facts
from processor.intake.gateway import RETIRED, Gateway
from processor.intake.gateway_clocks import ClockVotes, Owners
from processor.intake.gateways import Gateways, RegistryFullError
from processor.intake.moves import Move
from processor.intake.presence import ROAM_S, UNHEARD_S, Presence
from processor.intake.pump_facts import PumpFacts
from processor.intake.rates import Admission


@dataclass
class Registry:
    """All pumps and gateways ever heard of. Numbers are assigned in order of appearance and never change.

    `faults` are those that gateways can inject, with their titles ("" if unknown). `moves` are the pumps that changed
    their gateway, retired or came back, until `take_moves`. `admission` limits how many pumps and gateways appear in a
    minute (None: no limit); `claims_refused` counts the pumps that a birth named although another gateway delivers
    them.
    """

    faults: dict[str, str] = field(default_factory=dict)
    gateways: Gateways = field(default_factory=Gateways)
    moves: list[Move] = field(default_factory=list)
    claims_refused: int = 0
    admission: Admission | None = None
    _facts: PumpFacts = field(default_factory=PumpFacts)
    _presence: Presence = field(default_factory=Presence)
    _numbers_of: dict[int, tuple[pl.Series, pl.Series]] = field(default_factory=dict)
    _votes: ClockVotes = field(default_factory=ClockVotes)
    _owners: tuple[pl.DataFrame, Owners] | None = None

    @classmethod
    def restore(cls, pumps: pl.DataFrame, gateways: list[Gateway], faults: dict[str, str]) -> Registry:
        """Return a registry whose `facts()` are `pumps`, as far as they have its columns."""
        registry = cls(faults, gateways=Gateways(gateways), _facts=PumpFacts.restore(pumps))
        if "unheard_ms" in pumps.columns:
            registry._presence = Presence.restore(pumps)
        return registry

    @property
    def pumps(self) -> int:
        """Number of pumps."""
        return len(self._facts)

    @property
    def over_capacity(self) -> int:
        """How often, since the start, there was no room for another pump."""
        return self._facts.over_capacity

    @property
    def presence(self) -> Presence:
        """Presence of the pumps, by number."""
        self._presence.grow(self.pumps)
        return self._presence

    def saved(self) -> pl.DataFrame:
        """Return `facts()` with what else `restore` needs: presence of the pumps."""
        return self.presence.saved(self.facts())

    def with_retirements(self, pumps: pl.DataFrame) -> pl.DataFrame:
        """Return pumps without their `number`, but with when, by whom and why each was retired by itself; else null."""
        return self.presence.with_records(pumps)

    def limit(self, admission: Admission) -> None:
        """Limit from now on how many gateways and pumps may appear in a minute."""
        self.admission, self.gateways.budget = admission, admission.gateways

    def apply_birth(self, birth: Birth, shard: int, wall_ms: int, *, retained: bool = False) -> str | None:
        """Apply a gateway's birth: its pumps become known, and belong to it from now on.

        Pumps of the gateway that the birth no longer names are retired. Pumps that another gateway delivers stay there;
        the sentence that says so is returned, None if there are none. Raises `RegistryFullError` and `OverRateError`.
        """
        gateway = self.gateways.named(birth.gateway, shard)
        if self.admission is not None:
            new = self._facts.find(birth.pumps.serial).count(None)
            self.admission.admit_birth(gateway.name, gateway.number, new, wall_ms)
        news = gateway.apply_birth(birth, wall_ms, retained=retained)
        titles = {name: birth.fault_titles.get(name) or self.faults.get(name, "") for name in birth.faults}
        self.faults = dict(sorted((self.faults | titles).items()))
        numbers = self._facts.add(birth.pumps.serial, gateway.number, birth.time)
        refused = [
            int(number)
            for number in numbers[self._facts.owners[numbers] != gateway.number]
            if not self._take_over(int(number), gateway)
        ]
        own = self._facts.owners[numbers] == gateway.number
        self._facts.report(numbers, birth.pumps, None if not refused else own)
        numbers = numbers[own]
        if news:
            self._votes.presume(numbers, gateway.heard_therapy, wall_ms, gateway.speed)
            self._retire_unnamed(gateway, numbers, wall_ms)
        self._numbers_of.pop(gateway.number, None)
        # A copy that the broker retained may be from before the pump was moved.
        return self._refuse_claim(gateway, refused) if refused and news else None

    def _take_over(self, number: int, gateway: Gateway) -> bool:
        """Let a pump that a birth names move to its gateway, unless its own delivers it; return whether it moved."""
        if not self._may_roam(number):
            return False
        self.move(number, gateway)
        return True

    def _refuse_claim(self, gateway: Gateway, numbers: list[int]) -> str:
        self.claims_refused += len(numbers)
        serial, owner = self._facts.serial(numbers[0]), self._owner(numbers[0]).name
        more = f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else ""
        return (
            f"the birth of {gateway.name} names pump {serial}{more}, which {owner} delivers; it stays there. "
            f"An engineer moves it with `pumpwatch pump transfer {serial} {gateway.name}`"
        )

    def _retire_unnamed(self, gateway: Gateway, named: npt.NDArray[np.int64], wall_ms: int) -> None:
        """Retire the pumps of a gateway that its birth does not name, and bring back those that it names."""
        # Not `presence`: making room for new pumps, which are not retired, takes the whole fleet.
        known = self._presence.retired
        seen = named[named < len(known)]
        for number in seen[known[seen]]:
            self.reinstate_pump(int(number), f"the birth of {gateway.name} names it")
        if self._facts.owned(gateway.number) == len(named):
            return
        retired = self.presence.retired
        owned = np.flatnonzero(self._facts.owners == gateway.number)
        for number in np.setdiff1d(owned[~retired[owned]], named):
            self.retire_pump(int(number), f"the birth of {gateway.name} no longer names it", at=wall_ms)

    def move(self, number: int, gateway: Gateway, why: str = "", who: str | None = None) -> None:
        """Let a pump belong to a gateway from now on; `who` is the person who says so, if any."""
        owner = self._owner(number)
        if owner is gateway:
            return
        self._numbers_of.pop(owner.number, None)
        self._facts.move(number, gateway.number)
        text = f"from {owner.name} to {gateway.name}" + (f": {why}" if why else "")
        self.moves.append(Move(self._facts.serial(number), gateway.name, "moved", text, who))

    def retire_pump(self, number: int, why: str, who: str | None = None, *, at: int) -> None:
        """Retire a pump at `at` (wall ms): it is monitored no longer, until a sample is judged or a birth names it."""
        self.presence.retire(number, at, why, who)
        self.moves.append(Move(self._facts.serial(number), self._owner(number).name, "retired", why, who))

    def reinstate_pump(self, number: int, why: str, who: str | None = None, *, heard: bool = True) -> None:
        """Monitor a retired pump again.

        One that was silent when it was retired has time to send again, unless it was `heard` and not judged.
        """
        overdue = self.presence.unheard_ms_of(number) * self._owner(number).speed >= UNHEARD_S * 1000
        self.presence.reinstate(number, anew=heard and overdue)
        self.moves.append(Move(self._facts.serial(number), self._owner(number).name, "reinstated", why, who))

    def owner_of(self, number: int) -> int:
        """Return the number of the gateway of a pump."""
        return self._facts.owner(number)

    def _owner(self, number: int) -> Gateway:
        return self.gateways.order[self._facts.owner(number)]

    def take_moves(self) -> list[Move]:
        """Return the moves since the last call."""
        moves, self.moves = self.moves, []
        return moves

    def implausible_time(self, pump: int, time_ms: int, wall_ms: int) -> tuple[str, str]:
        """Return the topic of a pump's samples, and why one with this time is rejected."""
        gateway = self._owner(pump)
        clock, latest = gateway.therapy_ms(wall_ms), gateway.latest_plausible_ms(wall_ms)
        return topic_of(gateway.name, "telemetry", gateway.shard), (
            f"pump {self._facts.serial(pump)!r}: time is {_date(time_ms)}, but the clock of its gateway stands at "
            f"{_date(clock)}; allowed is up to {_date(min(latest, LATEST_MS))}; set the clock of the pump"
        )

    def retired(self) -> pl.Series:
        """Return whether each pump is retired, by itself or with its gateway (Boolean)."""
        by_themselves, gateways = pl.Series(self.presence.retired), self.gateways.in_states(RETIRED)
        return gateways.gather(self.facts()["owner"]) | by_themselves if gateways.any() else by_themselves

    def unheard_s(self) -> pl.Series:
        """Return the therapy seconds for which no sample of each pump was judged (Float64), by its gateway's speed."""
        speeds = self.gateways.speeds()
        alike = len(speeds) > 0 and (speeds == speeds[0]).all()
        speed = speeds[0] if alike else speeds[self.facts()["owner"].to_numpy()]
        return pl.Series("unheard", self.presence.unheard_ms * speed / 1000.0)

    def plausible_times(self, pumps: pl.Series, times_ms: pl.Series, wall_ms: int) -> pl.Series:
        """Return whether the times of samples are plausible by the clocks of their gateways at `wall_ms` (Boolean)."""
        latest = self.gateways.latest_plausible_ms(wall_ms)
        owners = self.facts()["owner"].to_numpy()[pumps.to_numpy()]
        return pl.Series(times_ms.to_numpy() <= latest[owners])

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`: the time since each gateway was heard stays."""
        self._votes.shift_wall_clock(step_ms)
        self.presence.shift_wall_clock(step_ms)
        self.gateways.shift_wall_clock(step_ms)

    def pumps_of(self, name: str) -> list[str]:
        """Return the serials of a gateway's pumps; none if it is unknown."""
        gateway = self.gateways.find(name)
        return [] if gateway is None else self.facts().filter(pl.col("owner") == gateway.number)["pump"].to_list()

    def find(self, name: str) -> tuple[int | None, int | None]:
        """Return the numbers of the pump and of the gateway of that name, each None if there is none."""
        gateway = self.gateways.find(name)
        return self._facts.number(name), None if gateway is None else gateway.number

    def hear(self, pumps: pl.Series, times_ms: pl.Series, wall_ms: int) -> None:
        """Record samples (numbers of pumps, times) in order of arrival; they set the clocks of their gateways."""
        numbers = pumps.to_numpy().astype(np.int64)
        if not len(numbers):
            return
        speed = self.gateways.speeds()
        owners = self._owners_by_gateway()
        clocks = self._votes.hear(numbers, times_ms.to_numpy(), wall_ms, owners=owners, speed=speed)
        for number, therapy in zip(*clocks, strict=True):
            self.gateways.order[number].hear(int(therapy), wall_ms)

    def _owners_by_gateway(self) -> Owners:
        facts = self.facts()
        if self._owners is None or self._owners[0] is not facts:
            self._owners = facts, Owners.of(facts["owner"].to_numpy().astype(np.int64))
        return self._owners[1]

    def numbers(self, gateway: Gateway, serials: pl.Series, time_ms: int) -> pl.Series:
        """Return the numbers (UInt32) of the pumps in one frame of a gateway, null for those it may not send.

        A gateway with a birth sends the pumps of its birth; one without may bring any new pump, but none that belongs
        to another gateway, unless that has not delivered it for `ROAM_S`. A gateway sends the same pumps in frame after
        frame, so the last result is kept. New pumps are known since `time_ms`.
        """
        known, numbers = self._numbers_of.get(gateway.number, (None, None))
        if known is None or numbers is None or not serials.equals(known):
            numbers = pl.Series("pump", self._numbers(gateway, serials.to_list(), time_ms), dtype=pl.UInt32)
            # A pump that may not be sent now may roam to this gateway later.
            if not numbers.has_nulls():
                self._numbers_of[gateway.number] = (serials, numbers)
        return numbers

    def _numbers(self, gateway: Gateway, serials: list[str], time_ms: int) -> list[int | None]:
        found = self._facts.find(serials)
        known = [number for number in found if number is not None]
        if len(known) == len(found) and (self._facts.owners[known] == gateway.number).all():
            return found
        return [self.number(gateway, serial, time_ms) for serial in serials]

    def number(self, gateway: Gateway, serial: str, time_ms: int) -> int | None:
        """Return the number of the pump of one sample, None if the gateway may not send it; see `numbers`."""
        number = self._facts.number(serial)
        if number is None:
            if gateway.born or (self.admission is not None and not self.admission.pumps.take()):
                return None
            with contextlib.suppress(RegistryFullError):
                return int(self._facts.add([serial], gateway.number, time_ms)[0])
            return None
        if self._facts.owner(number) != gateway.number and self._may_roam(number):
            self.move(number, gateway)
        return number if self._facts.owner(number) == gateway.number else None

    def numbers_owned(self, serials: Sequence[str], gateways: Sequence[int]) -> list[int] | None:
        """Return the numbers of the pumps of many samples if each belongs to the gateway (a number) that sends it.

        Otherwise return None: then `number` has to look at them one by one.
        """
        numbers = self._facts.find(serials)
        if None in numbers:
            return None
        known = cast("list[int]", numbers)
        return known if np.array_equal(self._facts.owners[known], gateways) else None

    def _may_roam(self, number: int) -> bool:
        """Return whether another gateway that names or delivers a pump takes it over: its own delivers it no more."""
        owner = self._owner(number)
        if self.presence.retired[number] or owner.state != "online":
            return True
        return bool(self.presence.unheard_ms_of(number) * owner.speed >= ROAM_S * 1000)

    def rejection(self, gateway: Gateway, serial: str) -> str:
        """Return why a gateway may not send samples of a pump."""
        number = self._facts.number(serial)
        if number is not None:
            owner = self._owner(number).name
            return (
                f"pump {serial!r} belongs to {owner}, which delivers it; {gateway.name} takes it over once {owner} is "
                f"offline or has delivered nothing of it for {ROAM_S / 60:.0f} min, or an engineer transfers it"
            )
        if gateway.born:
            return f"unknown pump {serial!r}: it is not in the birth of {gateway.name}"
        if self.pumps < pump_facts.MAX_PUMPS:
            return f"pump {serial!r} rejected: too many new pumps within a minute; if they are yours, raise --new-pumps"
        return f"pump {serial!r} rejected: the limit of {pump_facts.MAX_PUMPS:,} pumps is reached"

    def facts(self) -> pl.DataFrame:
        """Return one row per pump, by number: serial, gateway and what its birth reported (null if there was none)."""
        return self._facts.frame(self.gateways.names())

    def clocks(self, wall_ms: int) -> pl.Series:
        """Return the current therapy time of each pump (Int64 ms), by the clock of its gateway."""
        return self.gateways.clocks(wall_ms).gather(self.facts()["owner"])

    def gateways_frame(self) -> pl.DataFrame:
        """Return the gateways as the snapshot shows them (`GATEWAYS_SCHEMA`)."""
        counts = np.bincount(self.facts()["owner"].to_numpy(), minlength=len(self.gateways.order))
        return self.gateways.frame(counts)


def _date(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
