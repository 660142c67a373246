"""When a violation begins and when it is over."""

from __future__ import annotations

import polars as pl
import pytest

from processor.alarms import lifecycle
from processor.alarms.states import RETURNED, UNACKNOWLEDGED
from processor.alarms.violations import silences
from processor.detectors.silence import silence
from processor.engine import engine
from tests.processor.story import ill


def test_a_violation_ends_only_below_the_deadband(story):
    it = story()
    ill(it).check("raised low", low=UNACKNOWLEDGED)
    it.sample(battery_v=2.05).check(low=UNACKNOWLEDGED)
    ill(it).check(low=UNACKNOWLEDGED)
    it.sample(battery_v=2.15).check(low=UNACKNOWLEDGED)
    it.sample(battery_v=2.25).check("returned low", low=RETURNED)


def test_silence_is_an_alarm_from_when_it_became_too_long_whenever_that_is_noticed(rule_of, stream, feed):
    rules = (rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "quiet"),)
    state = feed(stream("flow_ul_h", "8x20", every_s=60.123), rules)
    last = int(state["time"][0])
    onsets = set()
    for age_s in [490.0 + 13.337 * step for step in range(200)]:
        ages = pl.Series([age_s], dtype=pl.Float32)
        judged = engine.with_ages(state, ages, rules).with_columns(
            pl.lit(0, pl.UInt32).alias("pump"), ages.alias("age"), pl.lit(last + round(age_s * 1000)).alias("now")
        )
        onsets.update(silences(judged, lifecycle.no_alarms(), rules).standing["onset"].to_list())
    assert len(onsets) == 1
    assert onsets.pop() == pytest.approx(last + 8 * 60_123, abs=500)
