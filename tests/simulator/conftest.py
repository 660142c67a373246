"""What these tests share: a fleet that is played for a while, with or without faults."""

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
class Played:
    """What was sent, and beside it the true concentration in each reservoir, which no signal tells."""

    simulation: Simulation
    samples: pl.DataFrame
    strength: np.ndarray

    def of(self, pump: int) -> pl.DataFrame:
        """The samples of one pump."""
        return self.samples.filter(pl.col("index") == pump)

    def last(self, pump: int, signal: str, count: int = 10) -> float:
        """The mean of a pump's latest readings."""
        return self.of(pump)[signal].tail(count).mean()


@functools.cache
def _healthy(on=(), **how) -> Played:
    return _run(None, **how)


def _play(fault=None, severity=1.0, **how) -> Played:
    if fault is not None:
        return _run(fault, severity, **how)
    healthy = _healthy(**how)
    return replace(healthy, simulation=copy.deepcopy(healthy.simulation))


def _run(
    fault, severity=1.0, *, on=(1,), pumps=4, minutes=30, interval_s=60.0, seed=42, refill_at=None, **timing
) -> Played:
    simulation = Simulation(default(pumps=pumps, interval_s=interval_s, seed=seed), start_ms=START_MS)
    if fault is not None:
        simulation.inject(fault, np.array(on), severity=severity, **timing)
    frames, strength = [], []
    for tick in range(round(minutes * 60 / interval_s)):
        if refill_at is not None and tick * interval_s == refill_at * 60:
            simulation.refill([(np.arange(pumps), Fill(18.0, 1000.0, 18.0, 1000.0))])
        frames.append(simulation.tick())
        strength.append(simulation.fleet.reservoir_ug_ml.copy())
    return Played(simulation, pl.concat(frames), np.array(strength))


@pytest.fixture
def play() -> Callable[..., Played]:
    """Play a fleet from its start, with one fault on some pumps or none."""
    return _play


@pytest.fixture
def start_ms() -> int:
    return START_MS
