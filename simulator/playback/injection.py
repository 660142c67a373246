"""This file plays faults on pumps: who has which, from when, how strongly, until when."""

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
from simulator.playback.events import EVENTS, OUTAGE, Event

FAULT_STREAM: Final = 1000
"""Random streams of faults begin here, beyond those of the sensors."""
MAX_HELD: Final = 1_000_000
"""Samples that wait on their way at once; beyond it the oldest are lost, and counted."""


@dataclass(frozen=True)
class Affected:
    """The pumps that have one fault, ascending, each once, and how it runs on each; times in seconds."""

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
        """Return both, where `other` goes before for pumps that are in both."""
        mine = self.keep(~np.isin(self.index, other.index))
        both = Affected(
            np.append(mine.index, other.index),
            np.append(mine.severity, other.severity),
            np.append(mine.since_s, other.since_s),
            np.append(mine.ramp_s, other.ramp_s),
            np.append(mine.hold_s, other.hold_s),
        )
        return both.keep(np.argsort(both.index))

    def severity_at(self, now_s: float) -> F32:
        """Return each severity: rising evenly over the ramp, then held."""
        rising = np.where(self.ramp_s > 0, (now_s - self.since_s) / np.maximum(self.ramp_s, 1e-9), 1.0)
        return np.asarray(self.severity * np.clip(rising, 0, 1), np.float32)

    def age_at(self, now_s: float) -> F32:
        """Return for how long each has run, in seconds."""
        return np.asarray(now_s - self.since_s, np.float32)

    def over(self, now_s: float) -> npt.NDArray[np.bool_]:
        """Tell which have been held as long as they should; the hold begins where the ramp ends."""
        return np.asarray(now_s >= self.since_s + self.ramp_s + self.hold_s)


@dataclass(frozen=True)
class Injections:
    """All faults that are being played, by name. A value: every change returns another."""

    affected: dict[str, Affected]

    def inject(
        self, fault: str, index: U32, now_s: float, *, severity: F64 | float, ramp_s: float, hold_s: float | None
    ) -> Injections:
        """Begin a fault now on pumps given in ascending order; on pumps that have it already it begins anew."""
        count = len(index)
        fresh = Affected(
            index,
            np.broadcast_to(severity, count).astype(np.float32),
            np.full(count, now_s),
            np.full(count, ramp_s),
            np.full(count, np.inf if hold_s is None else hold_s),
        )
        before = self.affected.get(fault)
        return self._with({fault: fresh if before is None else before.join(fresh)})

    def clear(self, index: U32 | None, fault: str | None) -> tuple[Injections, int]:
        """End faults (None: of all pumps; all faults), and say on how many pumps any ended. Events go on."""
        left, ended = {}, [np.empty(0, np.uint32)]
        for name in [fault] if fault else [name for name in self.affected if name in FAULTS]:
            here = self.affected.get(name)
            if here is not None:
                out = np.ones(len(here.index), np.bool_) if index is None else np.isin(here.index, index)
                left[name], ended = here.keep(~out), [*ended, here.index[out]]
        return self._with(left), len(np.unique(np.concatenate(ended)))

    def expire(self, now_s: float) -> Injections:
        """End what has been held long enough; where nothing has, return the same value."""
        over = {name: here.over(now_s) for name, here in self.affected.items()}
        ended = {name: self.affected[name].keep(~out) for name, out in over.items() if out.any()}
        return self._with(ended) if ended else self

    def cut_off(self) -> U32:
        """Return the pumps, ascending, whose gateways have no broker."""
        here = self.affected.get(OUTAGE)
        return np.empty(0, np.uint32) if here is None else here.index

    def of_stage(self, stage: str) -> Iterator[tuple[str, Affected]]:
        """Give the faults that bite at a stage, in the order of their names."""
        return ((name, self.affected[name]) for name in sorted(self.affected) if _played(name).stage == stage)

    def _with(self, changed: dict[str, Affected]) -> Injections:
        both = {**self.affected, **changed}
        return Injections({name: here for name, here in both.items() if len(here.index)})


NONE: Final = Injections({})


def _played(name: str) -> Fault | Event:
    return FAULTS[name] if name in FAULTS else EVENTS[name]


def _function(name: str) -> Callable[..., Any]:
    function = _played(name).function
    if function is None:
        raise ValueError(f"{name} is an instant; it does not last")
    return function


def bend_physics(fleet: Fleet, injections: Injections, now_s: float) -> U32:
    """Let faults bend the conditions of their pumps, and return which pumps those are."""
    touched = [np.empty(0, np.uint32)]
    for name, here in injections.of_stage("physics"):
        bent = fleet[here.index]
        bent.age_s = here.age_at(now_s)
        _function(name)(bent, here.severity_at(now_s))
        fleet.bend(here.index, bent)
        touched.append(here.index)
    return np.concatenate(touched)


def bend_sensors(sample: Sample, injections: Injections, now_s: float, key: tuple[int, int]) -> None:
    """Let faults falsify the readings of their pumps. `key` is seed and tick."""
    for name, here in injections.of_stage("sensors"):
        said = sample[here.index]
        said.age_s = here.age_at(now_s)
        _function(name)(said, here.severity_at(now_s), _stream(name, key))
        sample.put(here.index, said)


@dataclass
class Way:
    """The way from the pumps to the gateway, with the samples that wait on it; `lost` counts those it had no room for.

    A link fault lets a sample wait by the column `wait_s` of what it returns. A waiting sample comes with the first
    tick at which it is due, or at once when no fault of that stage is left on its pump. With `on_wire`
    broker outages are played by those who send the samples.
    """

    on_wire: bool = False
    held: pl.DataFrame | None = None
    lost: int = 0

    def pass_on(self, frame: pl.DataFrame, injections: Injections, now_s: float, key: tuple[int, int]) -> pl.DataFrame:
        """Return what arrives now of `frame` and of what waited: ascending by index, then in order of arrival."""
        held_back = []
        ill = [np.empty(0, np.uint32)]
        for name, here in injections.of_stage("link"):
            if self.on_wire and name == OUTAGE:
                continue
            ill.append(here.index)
            on_its_way = frame["index"].to_numpy()
            found = np.isin(on_its_way, here.index)
            sent = frame.filter(pl.Series(found))
            place = np.searchsorted(here.index, sent["index"].to_numpy())
            through = _function(name)(sent, here.severity_at(now_s)[place], _stream(name, key))
            if "wait_s" in through.columns:
                waits = through.filter(pl.col("wait_s") > 0)
                held_back.append(waits.with_columns(pl.col("wait_s") + now_s))
                through = through.filter(pl.col("wait_s") <= 0).drop("wait_s")
            frame = _replace(frame, found, through)
        return self._release(frame, held_back, np.concatenate(ill), now_s)

    def _release(self, frame: pl.DataFrame, held_back: list[pl.DataFrame], ill: U32, now_s: float) -> pl.DataFrame:
        if self.held is None and not held_back:
            return frame
        waiting = pl.concat([*([] if self.held is None else [self.held]), *held_back])
        due = (waiting["wait_s"].to_numpy() <= now_s) | ~np.isin(waiting["index"].to_numpy(), ill)
        left = waiting.filter(pl.Series(~due))
        self.lost += max(0, left.height - MAX_HELD)
        self.held = left.tail(MAX_HELD) if left.height else None
        come = waiting.filter(pl.Series(due)).drop("wait_s")
        found = np.isin(frame["index"].to_numpy(), come["index"].to_numpy())
        both = pl.concat([come, frame.filter(pl.Series(found))]).sort("index", maintain_order=True)
        return _replace(frame, found, both)


def _replace(frame: pl.DataFrame, found: npt.NDArray[np.bool_], through: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with its rows `found` replaced by `through`, ascending by index."""
    # Merging costs the whole fleet fifteen times what leaving rows out does, and most faults only do the latter.
    before = frame.filter(pl.Series(found))
    left = before.join(through.select("index"), on="index", how="semi", maintain_order="left")
    if through.equals(left):
        gone = ~np.isin(frame["index"].to_numpy(), through["index"].to_numpy()) & found
        return frame.filter(pl.Series(~gone)) if gone.any() else frame
    rest = frame.filter(pl.Series(~found))
    return rest.merge_sorted(through, key="index") if through.height else rest


def _stream(fault: str, key: tuple[int, int]) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64((*key, FAULT_STREAM, zlib.crc32(fault.encode()))))
