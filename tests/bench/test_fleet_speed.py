"""How long a tick of the simulated fleet takes: physics, nine signals with noise, one frame. Prints a table."""

from __future__ import annotations

import statistics
import time

import numpy as np

from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

TICKS = 7


def test_the_fleet_with_and_without_faults() -> None:
    print(f"\none tick of the fleet, median of {TICKS - 1}")
    print(f"{'pumps':>10} {'healthy, ms':>12} {'5 % occluded, ms':>17}")
    for pumps in (1, 1_000, 100_000, 1_000_000):
        simulation = Simulation(default(pumps=pumps, seed=1), start_ms=1_790_000_000_000)
        healthy = median_ms(simulation)
        simulation.inject("catheter_occlusion", np.arange(max(1, pumps // 20)), severity=0.8)
        print(f"{pumps:>10,} {healthy:>12.2f} {median_ms(simulation):>17.2f}")
        assert simulation.tick().height == pumps


def median_ms(simulation: Simulation) -> float:
    times = []
    for _ in range(TICKS):
        began = time.perf_counter()
        simulation.tick()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times[1:])
