"""Six rules three ways in one run: as our columns, as one writes them a sample at a time, and with river's detectors.

Prints a table; asserts that columns and plain Python say the same, and no times.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from processor.detectors import Detector
from processor.detectors.drift import drift
from processor.detectors.frozen import frozen
from processor.detectors.limit import limit
from processor.detectors.residual import residual
from processor.detectors.shift import shift
from processor.detectors.slope import slope
from processor.engine import engine
from processor.engine.columns import Rules
from processor.rules import RULE_BY_NAME, RULES
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from tests.bench.six_rules import HOUR_S, Pump, Row, judge, readings

PUMPS, TICKS, RUNS = 10_000, 11, 5
MAX_APART: Final = 1e-4
"""Between scores, of which 1 is the limit: columns are float32, Python's numbers float64."""
START_MS: Final = 1_790_000_000_000
Runner = Callable[[Iterable[Any]], object]

SIX: Final[dict[str, Detector]] = {
    "under_delivery": residual(
        "flow_ul_h", "commanded_ul_h", direction="below", share=0.25, floor=0.5, tau_s=20 * 60.0
    ),
    "delivery_shift": shift("flow_ul_h", "commanded_ul_h", direction="below", slack=0.08, floor=1.0, reach_h=5.0),
    "battery_drop": drift(
        "battery_v", by=0.06, direction="down", fast_s=600.0, slow_s=24 * HOUR_S, warm_up_s=120.0,
        load="motor_ma", per_load=0.03,
    ),
    "battery_falling": slope("battery_v", load="motor_ma", per_load=0.03, falls_per_h=0.0075, step=0.012, tau_s=7200.0),
    "reservoir_low": limit("reservoir_ml", below=2.0, span=0.6),
    "flow_sensor_stuck": frozen(tau_s=90 * 60.0, share=0.15),
}  # fmt: skip
RULES_OF_SIX: Final = tuple(replace(RULE_BY_NAME[name], detector=detector) for name, detector in SIX.items())


def as_columns(rules: Rules, window_s: float) -> Runner:
    def run(waves: Iterable[pl.DataFrame]) -> pl.DataFrame:
        state = engine.new_state(PUMPS, rules)
        for wave in waves:
            state = engine.step(state, wave, rules, window_s=window_s).state
        return state

    return run


def one_by_one(waves: Iterable[list[Row]]) -> list[Pump]:
    pumps = [Pump() for _ in range(PUMPS)]
    for wave in waves:
        for row in wave:
            judge(pumps[row["pump"]], row)
    return pumps


def with_river(detector: Callable[[], Any]) -> Runner:
    def run(waves: Iterable[list[Row]]) -> int:
        pumps = [[detector() for _ in range(6)] for _ in range(PUMPS)]
        found = 0
        for wave in waves:
            for row in wave:
                for each, reading in zip(pumps[row["pump"]], readings(row), strict=True):
                    each.update(reading)
                    found += each.drift_detected
        return found

    return run


def timed_s(run: Runner, waves: Iterable[Any]) -> tuple[float, float]:
    """Return how long a run takes, on the wall and of all cores together (s)."""
    began, worked = time.perf_counter(), time.process_time()
    run(waves)
    return time.perf_counter() - began, time.process_time() - worked


def fed() -> list[pl.DataFrame]:
    simulation = Simulation(default(pumps=PUMPS, seed=1), start_ms=START_MS)
    simulation.inject("under_infusion", np.arange(0, PUMPS, 3), severity=1.0)
    simulation.inject("sensor_stuck", np.arange(1, PUMPS, 3), severity=1.0)
    simulation.inject("running_empty", np.arange(2, PUMPS, 3), severity=1.0)
    return [simulation.tick().drop("pump").rename({"index": "pump"}) for _ in range(TICKS)]


def test_six_rules_as_columns_as_plain_python_and_with_river() -> None:
    river = pytest.importorskip("river.drift", reason="river is not installed: pip install 'pumpwatch[bench]'")
    waves = fed()
    rows = [wave.to_dicts() for wave in waves]
    ways: dict[str, tuple[Runner, Iterable[Any]]] = {
        "six rules in plain Python": (one_by_one, rows),
        "six rules as columns": (as_columns(RULES_OF_SIX, 0), waves),
        f"all {len(RULES)} rules as columns, in windows": (as_columns(RULES, 300.0), waves),
        "six of river's Page-Hinkley": (with_river(river.PageHinkley), rows),
        "six of river's ADWIN": (with_river(river.ADWIN), rows),
    }
    # In turn, so that whatever else the machine does in a while meets all of them.
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, (run, given) in ways.items():
            taken[name].append(timed_s(run, given))
    plain = taken["six rules in plain Python"]
    print(f"\n{PUMPS:,} pumps, {TICKS} samples each, median of {RUNS} runs; rows were made before for who takes rows")
    print(f"{'':>38} {'samples/s':>12} {'a core':>12} {'times plain Python':>20}")
    for name, times in taken.items():
        wall, core = (PUMPS * TICKS / statistics.median(each[of] for each in times) for of in (0, 1))
        ratio = statistics.median(slow[1] / own[1] for slow, own in zip(plain, times, strict=True))
        print(f"{name:>38} {wall:>12,.0f} {core:>12,.0f} {ratio:>20.2f}")


def test_columns_and_plain_python_say_the_same() -> None:
    waves = fed()
    state: Any = as_columns(RULES_OF_SIX, 0)(waves)
    pumps = one_by_one(wave.to_dicts() for wave in waves)
    for at, name in enumerate(SIX):
        said = np.array([pump.scores[at] for pump in pumps])
        apart = np.abs(state[name].to_numpy() - said).max()
        print(f"{name:>20}: up to {said.max():.3f}, {apart:.1e} apart at most")
        assert apart <= MAX_APART
