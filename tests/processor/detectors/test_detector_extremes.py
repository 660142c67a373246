"""Extreme readings: scores and memories of every detector stay finite."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.signals import SIGNAL_NAMES, SIGNALS
from processor.engine import engine
from processor.engine.windows import WINDOW_S
from processor.intake.collected import BATCH_SCHEMA
from processor.rules import RULES
from tests.processor.detectors.state_columns import columns_of

START_MS = 1_767_225_600_000
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


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=SAMPLES)
def test_scores_and_memories_of_every_rule_stay_finite_for_any_readings(feed, samples):
    state = feed(extreme(samples), window_s=WINDOW_S)
    state = engine.with_ages(state, pl.Series([1e12], dtype=pl.Float32))
    for rule in RULES:
        score = engine.score_name(rule)
        assert state.schema[score] == pl.Float32, score
        assert 0 <= state[score][0] <= engine.MAX_SCORE, score
        for name in columns_of(rule):
            assert state[name].is_finite().all(ignore_nulls=True), name


def test_the_extremes_cover_every_signal():
    assert set(VALUES) == set(SIGNAL_NAMES)
