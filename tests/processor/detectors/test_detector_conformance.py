"""Invariants of every detector, checked exactly: frames are compared bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from broker.contract.signals import FLAG_BIT, SIGNAL_NAMES
from processor.engine import engine, epochs
from processor.engine.sequence import REDELIVERED
from processor.engine.windows import WINDOW_S
from processor.intake.collected import BATCH_SCHEMA
from processor.rules import RULES, Rule
from simulator.faults import FAULTS
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from tests.processor.detectors.state_columns import columns_of

EVERY = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
PUMPS, TICKS, INTERVAL_S = 8, 34, 120
START_MS = 1_767_225_600_000
CROWD = 1000
SILENT = 4
DUPLICATE_COLUMNS = frozenset(
    {"samples_repeated", "samples_repeated.in_state_s", "stream.memory.repeated", "stream.memory.repeats_last"}
    | set(epochs.SCHEMA)
)
"""Columns of the one rule about duplicates, which must change with them."""
TEN_DAYS_MS = 864_000_000


def same(one: pl.DataFrame, other: pl.DataFrame, rule: Rule, exempt: frozenset[str] = frozenset()) -> None:
    compared = [name for name in columns_of(rule) if name not in exempt]
    assert_frame_equal(one.select(compared), other.select(compared), check_exact=True)


def degraded(pumps: int, ticks: int) -> pl.DataFrame:
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
    return degraded(PUMPS, TICKS)


@pytest.fixture(scope="module")
def whole(batch, feed) -> pl.DataFrame:
    return feed(batch)


@pytest.fixture(scope="module")
def one_by_one(batch) -> pl.DataFrame:
    state = engine.new_state(PUMPS)
    for at in range(batch.height):
        state = engine.step(state, batch[at : at + 1]).state
    return state


@pytest.fixture(scope="module")
def split(batch, feed) -> list[pl.DataFrame]:
    """States after the same samples in random splits, with pumps interleaved in any order."""
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
    return degraded(CROWD, 12)


@pytest.fixture(scope="module")
def among_many(crowd, feed) -> pl.DataFrame:
    return feed(crowd)


@pytest.fixture(scope="module")
def alone(crowd, feed) -> dict[int, pl.DataFrame]:
    samples_of = {pump: crowd.filter(pl.col("pump") == pump) for pump in (0, 513, 999)}
    return {
        pump: feed(samples.with_columns(pl.lit(0, pl.UInt32).alias("pump"))) for pump, samples in samples_of.items()
    }


@pytest.fixture(scope="module")
def replayed(batch, feed) -> pl.DataFrame:
    """State after every sample arrived twice, some of them late, and then all of them again."""
    rng = np.random.default_rng(8)
    twice = batch[np.repeat(np.arange(batch.height), 2)]
    half = batch.height
    late = batch[np.sort(rng.integers(0, half // 2, 12))]
    return feed(pl.concat([twice[:half], late, twice[half:], batch]))


@pytest.fixture(scope="module")
def others_went_on(batch, whole, feed) -> pl.DataFrame:
    """State after all pumps but one sent the same samples again, a hundred days later."""
    others = batch.filter(pl.col("pump") != SILENT).with_columns(pl.col("time") + 10 * TEN_DAYS_MS)
    return feed(others, state=whole)


@EVERY
def test_samples_one_by_one_give_the_same_result_as_the_batch(rule, whole, one_by_one):
    same(one_by_one, whole, rule)


@EVERY
def test_any_split_of_the_samples_gives_the_same_result_as_the_batch(rule, whole, split):
    for state in split:
        same(state, whole, rule)


@EVERY
def test_a_single_pump_scores_the_same_as_among_a_thousand(rule, alone, among_many):
    for pump, state in alone.items():
        same(state, among_many[pump : pump + 1], rule)


@EVERY
def test_duplicates_and_redelivered_samples_change_nothing(rule, whole, replayed):
    same(replayed, whole, rule, exempt=DUPLICATE_COLUMNS)


@EVERY
def test_a_silent_pump_keeps_its_memory(rule, whole, others_went_on):
    same(others_went_on[SILENT : SILENT + 1], whole[SILENT : SILENT + 1], rule)
    assert not others_went_on.select(columns_of(rule)).equals(whole.select(columns_of(rule)))


@EVERY
def test_a_sample_without_values_leaves_the_score_unchanged(rule, whole, batch, feed):
    unknown = [pl.lit(None, pl.Float32).alias(name) for name in SIGNAL_NAMES]
    last = batch.group_by("pump", maintain_order=True).last().select(*BATCH_SCHEMA)
    states = [whole]
    for wait_ms in (600_000, 1_200_000):
        silent = last.with_columns(pl.col("time") + wait_ms, *unknown, pl.lit(None, pl.Int64).alias("flags"))
        states.append(feed(silent, state=states[-1]))
    _, before, after = states
    assert after["samples"].to_list() == (before["samples"] + 1).to_list()
    # An empty sample still counts for the stream, and passing time for what is overdue.
    exempt = rule.detector.family == "stream" or rule.name == "refill_overdue"
    assert exempt or after[rule.name].equals(before[rule.name])


@EVERY
def test_a_rule_scores_the_same_alone_and_with_all_others(rule, batch, whole, feed):
    same(feed(batch, (rule,)), whole, rule)


def test_only_the_counters_of_duplicates_change_with_duplicates(batch, whole, one_by_one, split, replayed):
    for state in (one_by_one, *split):
        assert_frame_equal(state, whole, check_exact=True)
    counters = ("stale", *DUPLICATE_COLUMNS)
    assert_frame_equal(replayed.drop(counters), whole.drop(counters), check_exact=True)
    assert replayed["stale"].sum() == 2 * batch.height + 12
    assert whole["stale"].sum() == 0


def test_the_degraded_stream_contains_gaps_unknown_values_restarts_and_alarms(batch, whole):
    assert batch.group_by("pump", "time").len()["len"].max() == 1
    assert all(0 < batch[name].null_count() < batch.height for name in SIGNAL_NAMES)
    assert {0} < set(whole["boot"].to_list())
    assert whole["missed"].sum() > 0
    fired = [rule.name for rule in RULES if whole[rule.name].max() >= 1]
    assert len(fired) >= 4
