"""Plan of a generator: what the runner tells it, one line of JSON each, and what it answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from trials.load.profile import MAX_PUMPS, MAX_SESSIONS, Profile, Seconds, Share, Stage

PREFIX: Final = "load"
MAX_FRAME_BYTES: Final = 256 * 1024 * 1024
"""Size of one answer of a generator; a second of its records takes a few MB."""
PUMPS_PER_S: Final = 250_000
GATEWAYS_PER_S: Final = 3_000
"""Pumps and gateways that the generators enroll in a second, at least."""

Names = Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=MAX_SESSIONS)]


class BlockPlan(msgspec.Struct, kw_only=True, frozen=True, tag="join"):
    """Pumps that join together within `ramp_s`; `names` are those of their gateways.

    The first samples are due at `begins_ms` (wall, by the runner's clock), the same for all generators; 0: when ready.
    """

    first: Annotated[int, Meta(ge=0, le=MAX_PUMPS)]
    pumps: Annotated[int, Meta(ge=1, le=MAX_PUMPS)]
    per_gateway: Annotated[int, Meta(ge=1, le=100_000)]
    names: Names
    interval_s: Annotated[float, Meta(ge=0.1, le=3600.0)]
    speed: Annotated[float, Meta(ge=0.1, le=3600.0)]
    payload: Literal["arrow", "ndjson", "json"]
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    ramp_s: Seconds
    faulty: Share
    faults: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=40)]
    begins_ms: Annotated[float, Meta(ge=0.0)] = 0.0


class Disturb(msgspec.Struct, kw_only=True, frozen=True, tag="disturb"):
    """Drop the connections of a share of the gateways; with `cut` they stay away for `hold_s`."""

    kind: Literal["reconnect", "cut"]
    share: Share
    hold_s: Seconds


class Stop(msgspec.Struct, kw_only=True, frozen=True, tag="stop"):
    """Send nothing more, wait until the broker has everything, sign off."""


Order = BlockPlan | Disturb | Stop
ORDERS: Final = msgspec.json.Decoder(Order)


class Progress(msgspec.Struct, kw_only=True, frozen=True):
    """State of a generator, each half second.

    `late_ms` is the most by which a message was made after it was due since the last report, `offered` and `made` the
    samples that were due and that were made so far, `waiting` the messages that the broker has not confirmed.
    `injected` are faults since the last report: pump, fault, wall ms. `clocks` say how to find the due time of a
    sample from its therapy time, for each block.
    """

    connected: int
    sessions: int
    offered: int
    made: int
    waiting: int
    dropped: int
    late_ms: float
    cpu_s: float
    joined: int
    injected: tuple[tuple[str, str, float], ...] = ()
    clocks: tuple[BlockClock, ...] = ()
    notes: tuple[str, ...] = ()


class BlockClock(msgspec.Struct, kw_only=True, frozen=True):
    """When the samples of a block are due: tick `n` has therapy time `start_ms + (n + 1) * interval_s * speed`."""

    first: int
    pumps: int
    gateways: int
    per_gateway: int
    begins_ms: float
    start_ms: int
    interval_s: float
    speed: float

    def due_between(self, begin_ms: float, end_ms: float) -> int:
        """Return how many samples of the block are due from one time to before another, wall ms."""
        period_ms, phases = 1000 * self.interval_s, np.arange(self.gateways) / self.gateways
        first, last = (np.ceil((at - self.begins_ms) / period_ms - phases).clip(0) for at in (begin_ms, end_ms))
        shares = np.full(self.gateways, self.per_gateway)
        shares[-1] = self.pumps - self.per_gateway * (self.gateways - 1)
        return int(((last - first) * shares).sum())

    def due_ms(self, pump: int, therapy_ms: int) -> float:
        """Return when the sample of a pump (its place in the fleet) with that therapy time was due, wall ms."""
        tick = round((therapy_ms - self.start_ms) / (1000 * self.interval_s * self.speed)) - 1
        gateway = (pump - self.first) // self.per_gateway
        return self.begins_ms + 1000 * self.interval_s * (tick + gateway / self.gateways)


def gateway_names(first: int, count: int) -> list[str]:
    """Return the names of the gateways of a load test, counted from `first`."""
    return [f"{PREFIX}-{first + number:05d}" for number in range(count)]


def blocks_of(profile: Profile, pumps: int, stage: Stage, gateways: int, begins_ms: float = 0.0) -> Iterator[BlockPlan]:
    """Yield what each generator adds to reach a stage, from the numbers of pumps and gateways that there are.

    All begin at the same instant `begins_ms` (wall).
    """
    new = stage.pumps - pumps
    edges = np.linspace(0, new, min(profile.generators, max(new, 1)) + 1).astype(int).tolist()
    for first, last in itertools.pairwise(edges):
        if first == last:
            continue
        count = math.ceil((last - first) / profile.per_gateway)
        yield BlockPlan(
            first=pumps + first,
            pumps=last - first,
            per_gateway=profile.per_gateway,
            names=tuple(gateway_names(gateways, count)),
            interval_s=profile.interval,
            speed=profile.speed,
            payload=profile.payload,
            seed=profile.seed,
            ramp_s=stage.ramp,
            faulty=profile.faulty,
            faults=profile.faults,
            begins_ms=begins_ms,
        )
        gateways += count


def enrolled_s(pumps: int, per_gateway: int) -> float:
    """Return the seconds within which the generators enroll pumps, so many at each gateway."""
    return pumps / PUMPS_PER_S + pumps / per_gateway / GATEWAYS_PER_S
