"""How many samples a second the engine takes, alone: every rule, one wave a tick. Prints a table; asserts no times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import polars as pl

from processor import alarms, engine
from processor.rules import RULES
from processor.violations import violations
from simulator.scenario import default
from simulator.simulation import Simulation

TICKS = 11
START_MS = 1_790_000_000_000


def waves(pumps: int) -> list[pl.DataFrame]:
    simulation = Simulation(default(pumps=pumps, seed=1), start_ms=START_MS)
    return [simulation.tick().drop("pump").rename({"index": "pump"}) for _ in range(TICKS)]


def mean_s(work: Callable[[pl.DataFrame], None], inputs: list[pl.DataFrame]) -> float:
    """Return the mean time of a tick over whole windows: most ticks gather, one in five judges."""
    times = []
    for wave in inputs:
        began = time.perf_counter()
        work(wave)
        times.append(time.perf_counter() - began)
    return statistics.mean(times[1:])


def test_the_engine_with_all_rules() -> None:
    print(f"\n{len(RULES)} rules and their alarms, a wave of every pump a minute, mean of {TICKS - 1} ticks")
    print(f"{'pumps':>10} {'ms a tick':>10} {'samples/s':>14} {'bytes of state a pump':>22}")
    for pumps in (1, 1_000, 100_000, 1_000_000):
        state = engine.new_state(pumps)
        open_alarms = alarms.no_alarms()

        def take(wave: pl.DataFrame, open_alarms: pl.DataFrame = open_alarms) -> None:
            nonlocal state
            state, rows = engine.step(state, wave)
            violations(rows, open_alarms)

        took = mean_s(take, waves(pumps))
        size = state.estimated_size() / pumps
        print(f"{pumps:>10,} {took * 1e3:>10.2f} {pumps / took:>14,.0f} {size:>22.0f}")
        assert int(state["samples"].min()) == TICKS  # type: ignore[call-overload]
