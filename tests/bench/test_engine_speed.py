"""How many samples a second the engine takes, alone: every rule, one wave a tick. Prints a table; asserts no times."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from processor import alarms, engine
from processor.detectors.residual import residual
from processor.rules import RULE_BY_NAME, RULES
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


def test_the_engine_against_the_same_two_rules_sample_by_sample() -> None:
    turn = residual("motor_ul_h", "commanded_ul_h", direction="below", share=0.2, floor=0.4, tau_s=600)
    rules = (replace(RULE_BY_NAME["under_delivery"], name="motor_stall", detector=turn), RULE_BY_NAME["under_delivery"])
    pumps = 10_000
    inputs = waves(pumps)
    state = engine.new_state(pumps, rules)

    def vectorised(wave: pl.DataFrame) -> None:
        nonlocal state
        state, _ = engine.step(state, wave, rules, window_s=0)

    memory: dict[int, dict[str, float]] = {}

    def one_by_one(wave: pl.DataFrame) -> None:
        for row in wave.iter_rows(named=True):
            plain(memory.setdefault(row["pump"], {}), row)

    fast, slow = mean_s(vectorised, inputs), mean_s(one_by_one, inputs)
    print(f"\nmotor_stall and under_delivery on {pumps:,} pumps: {pumps / fast:,.0f} samples/s as expressions, "
          f"{pumps / slow:,.0f} in plain Python, ratio {slow / fast:.1f}")  # fmt: skip
    assert np.allclose(
        state["motor_stall"].to_numpy(), [memory[pump]["motor_stall"] for pump in range(pumps)], atol=1e-5
    )


def plain(memory: dict[str, float], row: dict[str, float]) -> None:
    """Do the two rules as one would without columns: a dictionary a pump, a few floats a sample."""
    dt = (row["time"] - memory.get("time", row["time"])) / 1000.0
    for name, measured, tau_s, share, floor in (
        ("motor_stall", row["motor_ul_h"], 600.0, 0.2, 0.4),
        ("under_delivery", row["flow_ul_h"], 1200.0, 0.25, 0.5),
    ):
        expected, difference = memory.get(f"{name}.expected"), memory.get(f"{name}.difference", 0.0)
        memory[name] = max(0.0, -difference) / max(floor, share * expected) if expected is not None else 0.0
        weight = 1.0 - math.exp(-dt / tau_s)
        commanded = row["commanded_ul_h"]
        memory[f"{name}.difference"] = difference + weight * (measured - commanded - difference)
        memory[f"{name}.expected"] = commanded if expected is None else expected + weight * (commanded - expected)
    memory["time"] = row["time"]
