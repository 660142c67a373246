"""Fault injection: which pumps have which faults, since when, how severe, for how long, and what that does."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from simulator.faults import FAULTS, Fault
from simulator.fleet.sensors import Sample
from simulator.fleet.state import F32, F64, U32, Fleet
from simulator.playback.event_kinds import EVENTS, OUTAGE, Event

FAULT_STREAM: Final = 1000
"""First random stream of faults, after those of the sensors."""
MAX_DELAYED: Final = 1_000_000
"""Limit of delayed samples; beyond it the oldest are lost, and counted."""


@dataclass(frozen=True)
class Affected:
    """The pumps that have one fault, ascending and unique, and its severity and times (seconds) on each."""

    index: U32
    severity: F32
    since_s: F64
    ramp_s: F64
    hold_s: F64

    def keep(self, which: npt.NDArray[np.bool_ | np.intp]) -> Affected:
        """Return only those pumps, in the order of `which`."""
        return Affected(
            self.index[which], self.severity[which], self.since_s[which], self.ramp_s[which], self.hold_s[which]
        )

    def join(self, other: Affected) -> Affected:
        """Return both; pumps that are in both are taken from `other`."""
        kept = self.keep(~np.isin(self.index, other.index))
        joined = Affected(
            np.append(kept.index, other.index),
            np.append(kept.severity, other.severity),
            np.append(kept.since_s, other.since_s),
            np.append(kept.ramp_s, other.ramp_s),
            np.append(kept.hold_s, other.hold_s),
        )
        return joined.keep(np.argsort(joined.index))

    def severity_at(self, now_s: float) -> F32:
        """Return each severity: it rises linearly over the ramp, then stays."""
        share = np.where(self.ramp_s > 0, (now_s - self.since_s) / np.maximum(self.ramp_s, 1e-9), 1.0)
        return np.asarray(self.severity * np.clip(share, 0, 1), np.float32)

    def age_at(self, now_s: float) -> F32:
        """Return how long each pump has had the fault, in seconds."""
        return np.asarray(now_s - self.since_s, np.float32)

    def ended(self, now_s: float) -> npt.NDArray[np.bool_]:
        """Return on which pumps the fault is over; the hold begins when the ramp ends."""
        return np.asarray(now_s >= self.since_s + self.ramp_s + self.hold_s)


@dataclass(frozen=True)
class Injections:
    """All active faults by name, an immutable value: every change returns another."""

    affected: dict[str, Affected]

    def inject(
        self, fault: str, index: U32, now_s: float, *, severity: F64 | float, ramp_s: float, hold_s: float | None
    ) -> Injections:
        """Begin a fault now on pumps in ascending order; on pumps that have it already it starts over."""
        count = len(index)
        started = Affected(
            index,
            np.broadcast_to(severity, count).astype(np.float32),
            np.full(count, now_s),
            np.full(count, ramp_s),
            np.full(count, np.inf if hold_s is None else hold_s),
        )
        present = self.affected.get(fault)
        return self._with({fault: started if present is None else present.join(started)})

    def clear(self, index: U32 | None, fault: str | None) -> tuple[Injections, int]:
        """End faults (None: on all pumps; all faults), and return on how many pumps any ended. Events continue."""
        remaining, cleared = {}, [np.empty(0, np.uint32)]
        for name in [fault] if fault else [name for name in self.affected if name in FAULTS]:
            affected = self.affected.get(name)
            if affected is not None:
                ends = np.ones(len(affected.index), np.bool_) if index is None else np.isin(affected.index, index)
                remaining[name], cleared = affected.keep(~ends), [*cleared, affected.index[ends]]
        return self._with(remaining), len(np.unique(np.concatenate(cleared)))

    def expire(self, now_s: float) -> Injections:
        """End faults whose duration is over; return the same value if there are none."""
        ended = {name: affected.ended(now_s) for name, affected in self.affected.items()}
        remaining = {name: self.affected[name].keep(~ends) for name, ends in ended.items() if ends.any()}
        return self._with(remaining) if remaining else self

    def cut_off(self) -> U32:
        """Return the pumps, ascending, whose gateways have no broker."""
        affected = self.affected.get(OUTAGE)
        return np.empty(0, np.uint32) if affected is None else affected.index

    def of_stage(self, stage: str) -> Iterator[tuple[str, Affected]]:
        """Yield the faults and events that act at a stage, in the order of their names."""
        return ((name, self.affected[name]) for name in sorted(self.affected) if _definition(name).stage == stage)

    def _with(self, changed: dict[str, Affected]) -> Injections:
        merged = {**self.affected, **changed}
        return Injections({name: affected for name, affected in merged.items() if len(affected.index)})


NONE: Final = Injections({})


def _definition(name: str) -> Fault | Event:
    return FAULTS[name] if name in FAULTS else EVENTS[name]


def _function(name: str) -> Callable[..., Any]:
    function = _definition(name).function
    if function is None:
        raise ValueError(f"{name} is an instant event and cannot be injected")
    return function


def apply_to_physics(fleet: Fleet, injections: Injections, now_s: float) -> U32:
    """Change the conditions of the pumps that have faults, and return these pumps."""
    touched = [np.empty(0, np.uint32)]
    for name, affected in injections.of_stage("physics"):
        part = fleet[affected.index]
        part.age_s = affected.age_at(now_s)
        _function(name)(part, affected.severity_at(now_s))
        fleet.bend(affected.index, part)
        touched.append(affected.index)
    return np.concatenate(touched)


def apply_to_sensors(sample: Sample, injections: Injections, now_s: float, key: tuple[int, int]) -> None:
    """Falsify the readings of the pumps that have faults; `key` is seed and tick."""
    for name, affected in injections.of_stage("sensors"):
        part = sample[affected.index]
        part.age_s = affected.age_at(now_s)
        _function(name)(part, affected.severity_at(now_s), _stream(name, key))
        sample.put(affected.index, part)


@dataclass
class Link:
    """The link from the pumps to their gateways, with its delayed samples; `lost` counts those beyond `MAX_DELAYED`.

    A link fault delays a sample by the column `wait_s` of the frame it returns. A delayed sample arrives with the first
    tick at which it is due, or at once when its pump has no link fault any more. With `on_wire` the sender of the
    samples plays broker outages.
    """

    on_wire: bool = False
    delayed: pl.DataFrame | None = None
    lost: int = 0

    def transmit(self, frame: pl.DataFrame, injections: Injections, now_s: float, key: tuple[int, int]) -> pl.DataFrame:
        """Return what arrives now, of `frame` and of delayed samples: ascending by index, then in order of arrival."""
        newly_delayed = []
        faulty = [np.empty(0, np.uint32)]
        for name, affected in injections.of_stage("link"):
            if self.on_wire and name == OUTAGE:
                continue
            faulty.append(affected.index)
            concerned = np.isin(frame["index"].to_numpy(), affected.index)
            sent = frame.filter(pl.Series(concerned))
            place = np.searchsorted(affected.index, sent["index"].to_numpy())
            passed = _function(name)(sent, affected.severity_at(now_s)[place], _stream(name, key))
            if "wait_s" in passed.columns:
                waiting = passed.filter(pl.col("wait_s") > 0)
                newly_delayed.append(waiting.with_columns(pl.col("wait_s") + now_s))
                passed = passed.filter(pl.col("wait_s") <= 0).drop("wait_s")
            frame = _replace(frame, concerned, passed)
        return self._release(frame, newly_delayed, np.concatenate(faulty), now_s)

    def _release(
        self, frame: pl.DataFrame, newly_delayed: list[pl.DataFrame], faulty: U32, now_s: float
    ) -> pl.DataFrame:
        if self.delayed is None and not newly_delayed:
            return frame
        waiting = pl.concat([*([] if self.delayed is None else [self.delayed]), *newly_delayed])
        due = (waiting["wait_s"].to_numpy() <= now_s) | ~np.isin(waiting["index"].to_numpy(), faulty)
        remaining = waiting.filter(pl.Series(~due))
        self.lost += max(0, remaining.height - MAX_DELAYED)
        self.delayed = remaining.tail(MAX_DELAYED) if remaining.height else None
        released = waiting.filter(pl.Series(due)).drop("wait_s")
        concerned = np.isin(frame["index"].to_numpy(), released["index"].to_numpy())
        arrived = pl.concat([released, frame.filter(pl.Series(concerned))]).sort("index", maintain_order=True)
        return _replace(frame, concerned, arrived)


def _replace(frame: pl.DataFrame, concerned: npt.NDArray[np.bool_], passed: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with its rows `concerned` replaced by `passed`, ascending by index."""
    # Merging costs the whole fleet fifteen times as much as leaving rows out, which is all that most faults do.
    before = frame.filter(pl.Series(concerned))
    kept = before.join(passed.select("index"), on="index", how="semi", maintain_order="left")
    if passed.equals(kept):
        gone = ~np.isin(frame["index"].to_numpy(), passed["index"].to_numpy()) & concerned
        return frame.filter(pl.Series(~gone)) if gone.any() else frame
    rest = frame.filter(pl.Series(~concerned))
    return rest.merge_sorted(passed, key="index") if passed.height else rest


def _stream(fault: str, key: tuple[int, int]) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64((*key, FAULT_STREAM, zlib.crc32(fault.encode()))))
