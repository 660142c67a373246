"""A run of one pump's samples leads to the state, the gaps and the judged windows of its samples one by one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.signals import SIGNALS
from processor.detectors import Detector
from processor.engine import engine, runs
from processor.engine.waves import waves
from processor.intake.collected import BATCH_SCHEMA
from processor.rules import RULES
from tests.processor.notation import START_MS, rule_of

Stepped = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def noisy(samples: int, seed: int, spacing_ms: int, *, restless: bool, plain: bool = True) -> pl.DataFrame:
    """Return samples of pump 1 with jumps, flags and unknown values, some stale or after a reset unless `plain`."""
    dice = np.random.default_rng(seed)
    time = START_MS + np.cumsum(dice.integers(1, spacing_ms, samples))
    boot = np.full(samples, 3)
    if not plain:
        time -= np.where(dice.random(samples) < 0.1, dice.integers(0, 4 * spacing_ms, samples), 0)
        boot += np.cumsum(dice.random(samples) < 0.03)
    columns = {
        "pump": np.ones(samples),
        "time": time,
        "seq": np.cumsum(dice.integers(1, 3, samples)),
        "boot": boot,
        "program": dice.integers(0, 3, samples),
        "flags": dice.integers(0, 4096, samples) * (dice.random(samples) < 0.1),
        "resent": np.zeros(samples),
        "sent": time,
    }
    for signal in SIGNALS:
        range_, usual = signal.high - signal.low, dice.uniform(signal.low, signal.high)
        quiet = usual + 0.01 * range_ * dice.normal(size=samples)
        anything = dice.uniform(signal.low, signal.high, samples)
        values = np.where(dice.random(samples) < (1.0 if restless else 0.05), anything, quiet)
        columns[signal.name] = values.clip(signal.low, signal.high)
    batch = pl.DataFrame([pl.Series(name, columns[name]).cast(dtype) for name, dtype in BATCH_SCHEMA.items()])
    unknown = [name for name in BATCH_SCHEMA if name not in ("pump", "time", "resent", "sent")]
    return batch.with_columns(
        pl.when(pl.Series(dice.random(samples) > 0.04)).then(pl.col(name)).alias(name) for name in unknown
    )


def wave_by_wave(state: pl.DataFrame, batch: pl.DataFrame, window_s: float) -> Stepped:
    gaps, judged = engine.NO_GAPS, [engine.step(state, batch.head(0)).judged]
    for wave in waves(batch):
        result = engine.step(state, wave, RULES, window_s, gaps=gaps)
        state, gaps = result.state, result.gaps
        judged.append(result.judged)
    return state, gaps.open, pl.concat(judged)


def in_runs(state: pl.DataFrame, parts: list[pl.DataFrame], window_s: float) -> Stepped:
    gaps, judged = engine.NO_GAPS, [engine.step(state, parts[0].head(0)).judged]
    for part in parts:
        for result, _ in runs.steps(state, part, RULES, window_s, gaps=gaps, max_waves=None):
            state, gaps = result.state, result.gaps
            judged.append(result.judged)
    return state, gaps.open, pl.concat(judged)


@settings(deadline=None, max_examples=8, derandomize=True)
@given(
    samples=st.integers(runs.MIN_RUN, 40),
    cut=st.integers(0, 40),
    seed=st.integers(0, 1_000_000),
    spacing_ms=st.sampled_from([2_000, 60_000, 130_000, 700_000, 40_000_000]),
    kind=st.tuples(st.sampled_from([0.0, 300.0]), st.booleans(), st.booleans()),
)
def test_a_run_is_its_samples_one_by_one(samples, cut, seed, spacing_ms, kind):
    window_s, restless, plain = kind
    batch = noisy(samples, seed, spacing_ms, restless=restless, plain=plain)
    state = engine.new_state(3)
    singly = wave_by_wave(state, batch, window_s)
    for found, expected in zip(in_runs(state, [batch[:cut], batch[cut:]], window_s), singly, strict=True):
        assert found.equals(expected)


def test_a_long_run_is_judged_in_several_calls(monkeypatch):
    batch, state = noisy(60, 7, 700_000, restless=False), engine.new_state(2)
    monkeypatch.setattr("processor.engine.compiled.ROWS", 7)
    runs.judge_of.cache_clear()
    found = in_runs(state, [batch], 300.0)
    runs.judge_of.cache_clear()
    for each, expected in zip(found, wave_by_wave(state, batch, 300.0), strict=True):
        assert each.equals(expected)


def test_the_rules_compile():
    assert runs.judge_of(RULES) is not None


def test_rules_that_do_not_compile_are_judged_wave_by_wave(stream):
    odd = (rule_of(Detector(score=lambda _: pl.col("flow_ul_h").cbrt())),)
    state = engine.new_state(1, odd)
    batch = stream("flow_ul_h", "8x20")
    steps = list(runs.steps(state, batch, odd, 0.0, gaps=engine.NO_GAPS, max_waves=None))
    assert steps[-1][0].state["rule"].to_list() == [2.0]
    assert len(steps) == 20


@pytest.mark.parametrize(
    ("counts", "alone"),
    [
        ([1, 1, 1], []),
        ([40, 1, 1], [0]),
        ([40, 1, 50], [2, 0]),
        ([40, 40, 1, 2], [0, 1]),
        ([40] * 20, []),
        ([runs.MIN_RUN - 1, 1], []),
    ],
)
def test_pumps_are_taken_apart_if_that_spares_more_waves_than_it_costs(counts, alone):
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    batch = pl.DataFrame({"pump": pl.Series(order, dtype=pl.UInt32), "arrived": range(len(order))})
    together, found = runs.apart(batch)
    assert sorted(run["pump"][0] for run in found) == sorted(alone)
    assert all(run["pump"].n_unique() == 1 and run["arrived"].is_sorted() for run in found)
    assert together.height + sum(run.height for run in found) == len(order)
    assert together["arrived"].is_sorted()
