"""Time since the last sample against the usual interval of the pump."""

from __future__ import annotations

import polars as pl
import pytest

from processor.detectors.silence import silence
from processor.engine import engine
from processor.engine.waves import waves

SILENT = silence(floor_s=480, intervals=8, in_field_s=7200)


def score_at(age_s, batch, feed, rule_of):
    rules = (rule_of(SILENT),)
    ages = pl.Series([age_s], dtype=pl.Float32)
    return engine.with_ages(feed(batch, rules), ages, rules)["rule"][0]


def test_a_pump_that_reports_often_is_silent_after_the_floor(stream, feed, rule_of):
    often = stream("flow_ul_h", "8x5", every_s=10)
    assert [score_at(age_s, often, feed, rule_of) for age_s in (0, 240, 480, 960)] == pytest.approx([0, 0.5, 1, 2])


def test_a_pump_that_reports_hourly_is_silent_after_eight_hours(stream, feed, rule_of):
    seldom = stream("flow_ul_h", "8x5", every_s=3600)
    assert [score_at(age_s, seldom, feed, rule_of) for age_s in (3600, 8 * 3600)] == pytest.approx([1 / 8, 1])


def test_a_gap_does_not_raise_the_usual_interval_and_a_lasting_change_does(stream, trace):
    gap = stream("flow_ul_h", "8x20 -x100 8 8", every_s=60)
    assert trace(SILENT, gap, "usual_s")[-3:] == pytest.approx([60] * 3)
    seldom = stream("flow_ul_h", f"8x20 {'-x9 8 ' * 12}", every_s=60)
    assert trace(SILENT, seldom, "usual_s")[-1] == pytest.approx(600, rel=0.2)


def test_one_sample_ends_the_silence_and_an_unknown_age_is_not_silence(stream, feed, rule_of):
    rules = (rule_of(SILENT),)
    state = engine.with_ages(feed(stream("flow_ul_h", "8"), rules), pl.Series([9999.0], dtype=pl.Float32), rules)
    assert state["rule"][0] > 1
    assert feed(stream("flow_ul_h", "- 8"), rules, state)["rule"][0] == 0
    assert score_at(None, stream("flow_ul_h", "8"), feed, rule_of) == 0


def test_a_pump_in_a_scanner_may_be_silent_for_longer(stream, feed, rule_of):
    into_the_bore = stream("flow_ul_h", "8x5", flags="0x4 128")
    assert [score_at(age_s, into_the_bore, feed, rule_of) for age_s in (3600, 7200)] == pytest.approx([0.5, 1])
    out_of_it = stream("flow_ul_h", "8x5", flags="0x3 128 0")
    assert score_at(480, out_of_it, feed, rule_of) == pytest.approx(1)


def test_a_window_of_many_samples_teaches_the_interval_between_them(stream, rule_of):
    rules, state = (rule_of(SILENT),), engine.new_state(1, (rule_of(SILENT),))
    for wave in waves(stream("flow_ul_h", "8x21", every_s=60)):
        state = engine.step(state, wave, rules, window_s=300).state
    assert state["rule.memory.usual_s"][0] == pytest.approx(60)
