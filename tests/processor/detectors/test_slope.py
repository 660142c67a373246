"""A steady fall, by hand: an average that goes half the way an hour."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.slope import slope

HALF_AN_HOUR_S = 3600 / log(2)
FALLING = slope("battery_v", falls_per_h=0.1, step=0.25, tau_s=HALF_AN_HOUR_S)
HOURLY = {"every_s": 3600}


def test_the_averaged_fall_per_hour_is_scored(stream, told):
    fall = stream("battery_v", "3 2.8 2.6 2.4", **HOURLY)
    assert told(FALLING, fall, "fall_per_h") == pytest.approx([0, 0.1, 0.15, 0.175], rel=1e-5)
    assert told(FALLING, fall) == pytest.approx([0, 0, 1, 1.5], rel=1e-5)


def test_a_rise_is_no_fall(stream, told):
    assert told(FALLING, stream("battery_v", "2 2.2 2.4 2.6", **HOURLY)) == [0] * 4


def test_a_jump_counts_as_one_step_and_a_trend_in_full(stream, told):
    jump = told(FALLING, stream("battery_v", "3 2x5", **HOURLY))
    trend = told(FALLING, stream("battery_v", "3 2.8 2.6 2.4 2.2 2", **HOURLY))
    assert jump == pytest.approx([0, 0, 1.25, 0.625, 0.3125, 0.15625], rel=1e-5)
    assert trend[-1] > 10 * jump[-1]


def test_the_pace_counts_and_not_the_number_of_samples(stream, told):
    often = told(FALLING, stream("battery_v", "3 2.95 2.9 2.85 2.8", every_s=900), "fall_per_h")
    seldom = told(FALLING, stream("battery_v", "3 2.8", **HOURLY), "fall_per_h")
    assert often[-1] == pytest.approx(seldom[-1], rel=1e-5)


def test_what_is_only_the_load_of_the_moment_is_taken_away(stream, told):
    settings = {"falls_per_h": 0.1, "step": 1.0, "tau_s": HALF_AN_HOUR_S}
    sag = stream("battery_v", "3 2.9 2.8 2.7", motor_ma="0 1 2 3", **HOURLY)
    assert max(told(slope("battery_v", **settings), sag)) > 0.7
    corrected = slope("battery_v", load="motor_ma", per_load=0.1, **settings)
    assert told(corrected, sag) == pytest.approx([0] * 4, abs=1e-5)


def test_an_unknown_value_keeps_the_score_and_the_fall_fades(stream, told):
    gap = stream("battery_v", "3 2.8 ? ? 2.8", **HOURLY)
    assert told(FALLING, gap, "fall_per_h") == pytest.approx([0, 0.1, 0.05, 0.025, 0.0125], rel=1e-5)
    assert told(FALLING, gap) == pytest.approx([0, 0, 0, 0, 0.25], rel=1e-5)
