"""How many samples a second the engine takes, alone: every rule, one wave a tick. Prints a table; asserts no times."""

from __future__ import annotations

import statistics
import time

import polars as pl

from processor.alarms import lifecycle
from processor.alarms.violations import violations
from processor.engine import engine
from processor.rules import RULES
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

TICKS, RUNS = 11, 5
START_MS = 1_790_000_000_000


def waves(pumps: int) -> list[pl.DataFrame]:
    simulation = Simulation(default(pumps=pumps, seed=1), start_ms=START_MS)
    return [simulation.tick().drop("pump").rename({"index": "pump"}) for _ in range(TICKS)]


def run(pumps: int, inputs: list[pl.DataFrame]) -> tuple[float, float, pl.DataFrame]:
    """Return the mean of a tick over whole windows, on the wall and of all cores together (s), and the state.

    Most ticks gather, one in five judges. The first, in which nothing is known yet, is not counted.
    """
    state, open_alarms = engine.new_state(pumps), lifecycle.no_alarms()
    began, worked = 0.0, 0.0
    for at, wave in enumerate(inputs):
        if at == 1:
            began, worked = time.perf_counter(), time.process_time()
        step = engine.step(state, wave)
        state = step.state
        violations(step.judged, open_alarms)
    ticks = len(inputs) - 1
    return (time.perf_counter() - began) / ticks, (time.process_time() - worked) / ticks, state


def test_the_engine_with_all_rules() -> None:
    print(f"\n{len(RULES)} rules, a wave of every pump a minute, mean of {TICKS - 1} ticks, median of {RUNS} runs")
    print(
        f"{'pumps':>10} {'ms a tick':>10} {'samples/s':>14} {'ms of a core a tick':>20} {'bytes of state a pump':>22}"
    )
    for pumps in (1, 1_000, 100_000, 1_000_000):
        inputs = waves(pumps)
        runs = [run(pumps, inputs) for _ in range(RUNS)]
        took, worked = (statistics.median(each[of] for each in runs) for of in (0, 1))
        state = runs[-1][2]
        size = state.estimated_size() / pumps
        print(f"{pumps:>10,} {took * 1e3:>10.2f} {pumps / took:>14,.0f} {worked * 1e3:>20.2f} {size:>22.0f}")
        assert state["samples"].to_numpy().min() == TICKS
