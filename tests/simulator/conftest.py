"""Fixtures of the simulator tests: a fleet played for a while, with or without a fault."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from simulator.fleet.therapy import Fill
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

START_MS = 1_767_225_600_000


@dataclass
class Run:
    """The samples, and the true concentration in each reservoir at each tick, which no signal shows."""

    simulation: Simulation
    samples: pl.DataFrame
    concentration: np.ndarray

    def of(self, pump: int) -> pl.DataFrame:
        """Return the samples of one pump."""
        return self.samples.filter(pl.col("index") == pump)

    def part(self, pumps: range) -> Run:
        """Return what these pumps did; the simulation is still that of all."""
        samples = self.samples.filter(pl.col("index").is_between(pumps[0], pumps[-1]))
        return Run(self.simulation, samples, self.concentration[:, list(pumps)])

    def last(self, pump: int, signal: str, count: int = 10) -> float:
        """Return the mean of a pump's latest readings."""
        return self.of(pump)[signal].tail(count).mean()


@functools.cache
def _healthy(on=(), **options) -> Run:
    return _run(None, **options)


def _play(fault=None, severity=1.0, **options) -> Run:
    if fault is not None:
        return _run(fault, severity, **options)
    healthy = _healthy(**options)
    return replace(healthy, simulation=copy.deepcopy(healthy.simulation))


def _run(
    fault,
    severity=1.0,
    *,
    on=(1,),
    pumps=4,
    minutes=30,
    interval_s=60.0,
    seed=42,
    refill_at=None,
    refill_ug_ml=1000.0,
    **timing,
) -> Run:
    simulation = Simulation(default(pumps=pumps, interval_s=interval_s, seed=seed), start_ms=START_MS)
    faults = fault if isinstance(fault, list) else [fault] if fault is not None else []
    for name, concerned in zip(faults, np.array_split(np.array(on), max(1, len(faults))), strict=False):
        simulation.inject(name, concerned, severity=severity, **timing)
    frames, concentration = [], []
    for tick in range(round(minutes * 60 / interval_s)):
        if refill_at is not None and tick * interval_s == refill_at * 60:
            simulation.refill([(np.arange(pumps), Fill(18.0, refill_ug_ml, 18.0, refill_ug_ml))])
        frames.append(simulation.tick())
        concentration.append(simulation.fleet.reservoir_ug_ml.copy())
    return Run(simulation, pl.concat(frames), np.array(concentration))


def _play_many(faults, severity: float, each: int, **options) -> Run:
    return _run(list(faults), severity, on=np.arange(each * len(faults)), pumps=each * len(faults), **options)


@pytest.fixture
def play() -> Callable[..., Run]:
    """Play a fleet from its start, with a fault on some pumps or none."""
    return _play


@pytest.fixture(scope="session")
def play_many() -> Callable[..., Run]:
    """Play a fleet in which each of several faults has as many pumps of its own."""
    return _play_many


@pytest.fixture
def start_ms() -> int:
    return START_MS
