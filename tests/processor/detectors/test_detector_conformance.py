"""Invariants of every detector, checked exactly: frames are compared bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from broker.contract.signals import FLAG_BIT, SIGNAL_NAMES, SIGNALS
from processor.engine import engine
from processor.engine.sequence import REDELIVERED
from processor.engine.windows import WINDOW_S
from processor.intake.inbox import BATCH_SCHEMA
from processor.rules import RULES, Rule
from simulator.faults import FAULTS
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

EVERY = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
PUMPS, TICKS, INTERVAL_S = 8, 34, 120
START_MS = 1_767_225_600_000
AMONG = 1000
COUNT_REPEATS = frozenset(
    {"samples_repeated", "samples_repeated.in_state_s", "stream.memory.repeated", "stream.memory.repeats_last"}
)
"""Columns of the one rule about duplicates, which must change with them."""
TEN_DAYS_MS = 864_000_000


def columns(rule: Rule) -> list[str]:
    """The columns of the state that belong to a rule."""
    memories = [f"{rule.detector.family or rule.name}.memory.{name}" for name in rule.detector.memory]
    return [engine.score_name(rule), engine.in_state_name(rule), *memories]


def same(one: pl.DataFrame, other: pl.DataFrame, rule: Rule, but: frozenset[str] = frozenset()) -> None:
    compared = [name for name in columns(rule) if name not in but]
    assert_frame_equal(one.select(compared), other.select(compared), check_exact=True)


def troubled(pumps: int, ticks: int) -> pl.DataFrame:
    """Return samples of faulty pumps over a bad connection: faults, gaps, unknown values and two restarts."""
    simulation = Simulation(default(pumps=pumps, interval_s=INTERVAL_S, seed=3), start_ms=START_MS)
    for place, fault in enumerate(name for name in FAULTS if FAULTS[name].stage != "link"):
        simulation.inject(fault, np.arange(place % PUMPS, pumps, PUMPS), severity=0.9)
    batch = pl.concat([simulation.tick() for _ in range(ticks)])
    rng = np.random.default_rng(5)
    known = {name: pl.Series(rng.random(batch.height) > 0.05) for name in SIGNAL_NAMES}
    refilled = pl.Series(rng.random(batch.height) < 0.05)
    late = (pl.col("time") > START_MS + ticks // 2 * INTERVAL_S * 1000) & (pl.col("index") % PUMPS < 2)
    restarted_earlier = late & (pl.col("index") % 2 == 0)
    return (
        batch.with_columns(
            *(pl.when(known[name]).then(pl.col(name)).alias(name) for name in SIGNAL_NAMES),
            pl.when(refilled).then(FLAG_BIT["refill"]).otherwise(pl.col("flags")).alias("flags"),
            (pl.col("boot") + late.cast(pl.Int64)).alias("boot"),
            (pl.col("time") - pl.when(restarted_earlier).then(TEN_DAYS_MS).otherwise(0)).alias("time"),
            pl.col("index").alias("pump"),
            pl.lit(value=False).alias(REDELIVERED),
        )
        .filter(pl.Series(rng.random(batch.height) > 0.05))
        .select(pl.col(name).cast(dtype) for name, dtype in BATCH_SCHEMA.items())
    )


@pytest.fixture(name="feed", scope="module")
def feed_in_windows(feed: Callable[..., pl.DataFrame]) -> Callable[..., pl.DataFrame]:
    """Feed the engine as in operation: with windows of several samples."""
    return partial(feed, window_s=WINDOW_S)


@pytest.fixture(scope="module")
def batch() -> pl.DataFrame:
    return troubled(PUMPS, TICKS)


@pytest.fixture(scope="module")
def at_once(batch, feed) -> pl.DataFrame:
    return feed(batch)


@pytest.fixture(scope="module")
def one_by_one(batch) -> pl.DataFrame:
    state = engine.new_state(PUMPS)
    for at in range(batch.height):
        state = engine.step(state, batch[at : at + 1]).state
    return state


@pytest.fixture(scope="module")
def split(batch, feed) -> list[pl.DataFrame]:
    """The state after the same samples in random splits, with pumps interleaved in any order."""
    states = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        mixed = shuffled(batch, rng)
        cuts = [0, *sorted(rng.integers(0, mixed.height, 6).tolist()), mixed.height]
        state = engine.new_state(PUMPS)
        for first, last in pairwise(cuts):
            state = feed(mixed[first:last], state=state)
        states.append(state)
    return states


def shuffled(batch: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the batch with pumps interleaved in any order; samples of the same pump keep their order."""
    places = pl.Series("place", rng.permutation(batch.height))
    return (
        batch.with_columns(places.sort().gather(places).alias("place"))
        .with_columns(pl.col("place").sort().over("pump"))
        .sort("place")
        .drop("place")
    )


@pytest.fixture(scope="module")
def crowd() -> pl.DataFrame:
    return troubled(AMONG, 12)


@pytest.fixture(scope="module")
def among_many(crowd, feed) -> pl.DataFrame:
    return feed(crowd)


@pytest.fixture(scope="module")
def alone(crowd, feed) -> dict[int, pl.DataFrame]:
    own = {pump: crowd.filter(pl.col("pump") == pump) for pump in (0, 513, 999)}
    return {pump: feed(samples.with_columns(pl.lit(0, pl.UInt32).alias("pump"))) for pump, samples in own.items()}


@pytest.fixture(scope="module")
def repeated(batch, feed) -> pl.DataFrame:
    """The state after everything arrived twice, then some of it late, then all of it again."""
    rng = np.random.default_rng(8)
    twice = batch[np.repeat(np.arange(batch.height), 2)]
    half = batch.height
    late = batch[np.sort(rng.integers(0, half // 2, 12))]
    return feed(pl.concat([twice[:half], late, twice[half:], batch]))


@EVERY
def test_samples_one_by_one_give_the_same_result_as_the_batch(rule, at_once, one_by_one):
    same(one_by_one, at_once, rule)


@EVERY
def test_any_split_of_the_samples_gives_the_same_result_as_the_batch(rule, at_once, split):
    for state in split:
        same(state, at_once, rule)


@EVERY
def test_a_pump_alone_scores_the_same_as_among_a_thousand(rule, alone, among_many):
    for pump, state in alone.items():
        same(state, among_many[pump : pump + 1], rule)


@EVERY
def test_duplicates_and_late_replays_change_nothing(rule, at_once, repeated):
    same(repeated, at_once, rule, but=COUNT_REPEATS)


@EVERY
def test_a_silent_pump_keeps_its_memory(rule, batch, at_once, feed):
    others = batch.filter(pl.col("pump") != 4).with_columns(pl.col("time") + 10 * TEN_DAYS_MS)
    state = feed(others, (rule,), at_once.select(*engine.schema((rule,))))
    same(state[4:5], at_once[4:5], rule)
    assert not state.select(columns(rule)).equals(at_once.select(columns(rule)))


@EVERY
def test_a_sample_without_values_leaves_the_score_unchanged(rule, at_once, batch, feed):
    unknown = [pl.lit(None, pl.Float32).alias(name) for name in SIGNAL_NAMES]
    last = batch.group_by("pump", maintain_order=True).last().select(*BATCH_SCHEMA)
    states = [at_once]
    for wait_ms in (600_000, 1_200_000):
        silent = last.with_columns(pl.col("time") + wait_ms, *unknown, pl.lit(None, pl.Int64).alias("flags"))
        states.append(feed(silent, state=states[-1]))
    _, before, after = states
    assert after["samples"].to_list() == (before["samples"] + 1).to_list()
    # An empty sample still counts for the stream, and passing time for what is overdue.
    exempt = rule.detector.family == "stream" or rule.name == "refill_overdue"
    assert exempt or after[rule.name].equals(before[rule.name])


@EVERY
def test_a_rule_scores_the_same_alone_and_with_all_others(rule, batch, at_once, feed):
    same(feed(batch, (rule,)), at_once, rule)


def test_only_the_counters_of_duplicates_change_with_duplicates(batch, at_once, one_by_one, split, repeated):
    for state in (one_by_one, *split):
        assert_frame_equal(state, at_once, check_exact=True)
    counters = ("stale", *COUNT_REPEATS)
    assert_frame_equal(repeated.drop(counters), at_once.drop(counters), check_exact=True)
    assert repeated["stale"].sum() == 2 * batch.height + 12
    assert at_once["stale"].sum() == 0


def test_the_troubled_stream_covers_everything(batch, at_once):
    assert batch.group_by("pump", "time").len()["len"].max() == 1
    assert all(0 < batch[name].null_count() < batch.height for name in SIGNAL_NAMES)
    assert {0} < set(at_once["boot"].to_list())
    assert at_once["missed"].sum() > 0
    fired = [rule.name for rule in RULES if at_once[rule.name].max() >= 1]
    assert len(fired) >= 4


VALUES = {
    signal.name: st.one_of(
        st.none(),
        st.sampled_from([signal.low, signal.high, 0.0]),
        st.floats(signal.low, signal.high, width=32),
    )
    for signal in SIGNALS
    if signal.low == np.float32(signal.low)
}
SAMPLES = st.lists(
    st.fixed_dictionaries(
        {
            **VALUES,
            "wait_s": st.sampled_from([0.001, 1, 60, 3600, 1e6, 3e9]),
            "flags": st.sampled_from([None, 0, 64, 255]),
        }
    ),
    min_size=2,
    max_size=8,
)


def extreme(samples: list[dict[str, float]]) -> pl.DataFrame:
    waits = np.cumsum([sample.pop("wait_s") for sample in samples])
    about = {"pump": [0] * len(samples), "time": (START_MS + np.round(waits * 1000)).astype(int).tolist()}
    values = {name: [sample[name] for sample in samples] for name in samples[0]}
    empty = {name: [None] * len(samples) for name in BATCH_SCHEMA if name not in {*values, *about}}
    return pl.DataFrame({**about, **values, **empty}, BATCH_SCHEMA).select(*BATCH_SCHEMA)


@EVERY
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=SAMPLES)
def test_scores_and_memories_stay_finite_for_any_readings(rule, feed, samples):
    state = feed(extreme(samples), (rule,))
    if rule.detector.judges == "age":
        state = engine.with_ages(state, pl.Series([1e12], dtype=pl.Float32), (rule,))
    scored = state[engine.score_name(rule)]
    assert state.schema[engine.score_name(rule)] == pl.Float32
    assert 0 <= scored[0] <= engine.MAX_SCORE
    for name in columns(rule):
        assert state[name].is_finite().all(ignore_nulls=True), name


def test_the_extremes_cover_every_signal():
    assert set(VALUES) == set(SIGNAL_NAMES)
