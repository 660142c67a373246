"""A steady fall, by hand: an average that halves its distance every hour."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.slope import slope

HALF_AN_HOUR_S = 3600 / log(2)
FALLING = slope("battery_v", falls_per_h=0.1, step=0.25, tau_s=HALF_AN_HOUR_S)
HOURLY = {"every_s": 3600}


def test_the_averaged_fall_per_hour_is_scored(stream, trace):
    fall = stream("battery_v", "3 2.8 2.6 2.4", **HOURLY)
    assert trace(FALLING, fall, "fall_per_h") == pytest.approx([0, 0.1, 0.15, 0.175], rel=1e-5)
    assert trace(FALLING, fall) == pytest.approx([0, 0, 1, 1.5], rel=1e-5)


def test_a_rise_scores_zero(stream, trace):
    assert trace(FALLING, stream("battery_v", "2 2.2 2.4 2.6", **HOURLY)) == [0] * 4


def test_a_jump_counts_as_one_step_but_a_trend_in_full(stream, trace):
    jump = trace(FALLING, stream("battery_v", "3 2x5", **HOURLY))
    trend = trace(FALLING, stream("battery_v", "3 2.8 2.6 2.4 2.2 2", **HOURLY))
    assert jump == pytest.approx([0, 0, 1.25, 0.625, 0.3125, 0.15625], rel=1e-5)
    assert trend[-1] > 10 * jump[-1]


def test_the_slope_counts_and_not_the_number_of_samples(stream, trace):
    often = trace(FALLING, stream("battery_v", "3 2.95 2.9 2.85 2.8", every_s=900), "fall_per_h")
    seldom = trace(FALLING, stream("battery_v", "3 2.8", **HOURLY), "fall_per_h")
    assert often[-1] == pytest.approx(seldom[-1], rel=1e-5)


def test_the_momentary_load_is_corrected_for(stream, trace):
    settings = {"falls_per_h": 0.1, "step": 1.0, "tau_s": HALF_AN_HOUR_S}
    sag = stream("battery_v", "3 2.9 2.8 2.7", motor_ma="0 1 2 3", **HOURLY)
    assert max(trace(slope("battery_v", **settings), sag)) > 0.7
    corrected = slope("battery_v", load="motor_ma", per_load=0.1, **settings)
    assert trace(corrected, sag) == pytest.approx([0] * 4, abs=1e-5)


def test_an_unknown_value_keeps_the_score_while_the_fall_decays(stream, trace):
    gap = stream("battery_v", "3 2.8 ? ? 2.8", **HOURLY)
    assert trace(FALLING, gap, "fall_per_h") == pytest.approx([0, 0.1, 0.05, 0.025, 0.0125], rel=1e-5)
    assert trace(FALLING, gap) == pytest.approx([0, 0, 0, 0, 0.25], rel=1e-5)
