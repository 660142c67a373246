"""Gateways by dense number: found by name, bounded, with their clocks and states as columns."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.gateway_messages import Status
from broker.contract.ranges import EARLIEST_MS, LATEST_MS
from broker.store.snapshot import GATEWAYS_SCHEMA
from processor.intake.gateway import MAX_AHEAD_MS, MAX_DRIFT_MS, RETIRED, Gateway
from processor.intake.rates import Budget, OverRateError

MAX_GATEWAYS: Final = 100_000
MAX_TIME_MS: Final = 2.0**53
"""Times are limited to what a float holds exactly; no sample may bear a later one."""

_SHOWN: Final = {"gateway": "name", "therapy_ms": "heard_therapy"}
"""Columns of the snapshot that have another name here."""


class RegistryFullError(Exception):
    """The registry has no room for another pump or gateway; the text says which and how many there are."""


@dataclass
class Gateways:
    """All gateways ever heard of, in `order` of appearance, which is their number and never changes.

    `budget` limits how many appear in a minute (None: no limit). Since the start, `over_capacity` counts gateways that
    found no room, `dropped` the samples that gateways reported as dropped.
    """

    order: list[Gateway] = field(default_factory=list)
    over_capacity: int = 0
    dropped: int = 0
    budget: Budget | None = None
    _by_name: dict[str, Gateway] = field(init=False)
    _names: pl.Series = field(default_factory=lambda: pl.Series("gateway", dtype=pl.String))

    def __post_init__(self) -> None:
        self._by_name = {gateway.name: gateway for gateway in self.order}

    def named(self, name: str, shard: int) -> Gateway:
        """Return the gateway of that name, new or known; a known one may have moved to another shard."""
        gateway = self._by_name.get(name)
        if gateway is None:
            if len(self.order) >= MAX_GATEWAYS:
                self.over_capacity += 1
                raise RegistryFullError(f"gateway {name} rejected: the limit of {MAX_GATEWAYS:,} gateways is reached")
            if self.budget is not None and not self.budget.take():
                raise OverRateError(
                    f"gateway {name} rejected: more than {self.budget.a_minute:,.0f} new gateways within a minute; "
                    "if they are yours, raise --new-gateways"
                )
            gateway = Gateway(len(self.order), name, shard)
            self._by_name[name] = gateway
            self.order.append(gateway)
        gateway.shard = shard
        return gateway

    def find(self, name: str) -> Gateway | None:
        """Return the gateway of that name, None if it is unknown."""
        return self._by_name.get(name)

    def apply_status(self, status: Status, shard: int) -> None:
        """Apply the status that a gateway reports, or the broker in its name."""
        self.dropped += self.named(status.gateway, shard).apply_status(status)

    def retire(self, name: str, shard: int) -> None:
        """Retire a gateway that took its birth back: its pumps are monitored no longer."""
        self.named(name, shard).retire()

    def count_rejected(self, name: str, count: int = 1) -> None:
        """Count messages of a gateway that were rejected as a whole: its outbox has them, as it has all others."""
        if gateway := self._by_name.get(name):
            gateway.rejected += count

    def state(self, name: str) -> tuple[str | None, int]:
        """Return a gateway's state and the therapy time (ms) it was last heard at; None and 0 if it is unknown."""
        gateway = self._by_name.get(name)
        return (None, 0) if gateway is None else (gateway.state, gateway.heard_therapy)

    def top_droppers(self, limit: int = 3) -> list[tuple[str, int]]:
        """Return the gateways that dropped the most samples, with how many; none if none dropped any."""
        if not self.dropped:
            return []
        worst = heapq.nlargest(limit, self.order, key=lambda gateway: gateway.dropped)
        return [(gateway.name, gateway.dropped) for gateway in worst if gateway.dropped]

    def names(self) -> pl.Series:
        """Return the name of each gateway."""
        if self._names.len() != len(self.order):
            self._names = pl.Series("gateway", [gateway.name for gateway in self.order], dtype=pl.String)
        return self._names

    def speeds(self) -> npt.NDArray[np.float64]:
        """Return the therapy seconds per wall second of each gateway."""
        return self._each("speed")

    def clocks(self, wall_ms: int) -> pl.Series:
        """Return where the therapy clock of each gateway stands (Int64 ms), as `Gateway.therapy_ms` does."""
        heard, passed_ms = self._each("heard_therapy"), np.maximum(wall_ms - self._each("heard_wall"), 0.0)
        now = np.clip(heard + passed_ms * self.speeds(), EARLIEST_MS, LATEST_MS)
        return pl.Series("now", np.where(heard != 0.0, now, wall_ms).astype(np.int64))

    def online_clock(self, wall_ms: int) -> tuple[int, int, float]:
        """Return when the therapy of gateways that are online began, where their clocks stand (ms), and their speed.

        The first is the earliest of those with a birth, 0 without one; the others are medians (0 and 1 if none is).
        """
        online = self.in_states("online").to_numpy()
        if not online.any():
            return 0, 0, 1.0
        began = min((each.began_therapy for each in self.order if each.born and each.state == "online"), default=0)
        clocks, speeds = self.clocks(wall_ms).to_numpy()[online], self.speeds()[online]
        return began, int(np.median(clocks)), float(np.median(speeds))

    def latest_plausible_ms(self, wall_ms: int) -> npt.NDArray[np.int64]:
        """Return the latest time that a sample of each gateway may bear (therapy ms), as its method of that name."""
        speed, passed_ms = self.speeds(), np.maximum(wall_ms - self._each("birth_wall"), 0.0)
        latest = self._each("birth_therapy") + passed_ms * speed + MAX_AHEAD_MS + MAX_DRIFT_MS * speed
        known = self._each("born") != 0.0
        return np.where(known, np.minimum(latest, MAX_TIME_MS), wall_ms + MAX_AHEAD_MS).astype(np.int64)

    def _each(self, name: str) -> npt.NDArray[np.float64]:
        """Return a number of each gateway. Times in ms are exact: they are below 2**53."""
        return np.fromiter(map(attrgetter(name), self.order), np.float64, len(self.order))

    def in_states(self, *states: str) -> pl.Series:
        """Return whether each gateway is in one of these states (Boolean)."""
        return pl.Series("in", [gateway.state in states for gateway in self.order], dtype=pl.Boolean)

    def gone(self) -> pl.Series:
        """Return whether each gateway is gone (Boolean): retired, or known from what the broker retained alone."""
        gone = [each.state == RETIRED or (each.state == "offline" and not each.live) for each in self.order]
        return pl.Series("gone", gone, dtype=pl.Boolean)

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`: the time since each gateway was heard stays."""
        for gateway in self.order:
            gateway.shift_wall_clock(step_ms)

    def frame(self, pumps: Iterable[int]) -> pl.DataFrame:
        """Return the gateways as the snapshot shows them (`GATEWAYS_SCHEMA`); `pumps` counts the pumps of each."""
        columns = {_SHOWN.get(name, name): name for name in GATEWAYS_SCHEMA if name != "pumps"}
        values = {name: list(map(attrgetter(known), self.order)) for known, name in columns.items()}
        values["pumps"] = [int(count) for count in pumps]
        return pl.DataFrame({name: pl.Series(values[name], dtype=dtype) for name, dtype in GATEWAYS_SCHEMA.items()})
