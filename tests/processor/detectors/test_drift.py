"""Two exponential averages, by hand: a fast one that halves its distance every minute and a slow one."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.drift import drift

HALF_S, QUARTER_S = 60 / log(2), 60 / log(4 / 3)


def falling(**changes: object):
    settings = {"by": 0.5, "direction": "down", "fast_s": HALF_S, "slow_s": QUARTER_S, "warm_up_s": 0, **changes}
    return drift("battery_v", **settings)


def test_the_averages_follow_at_their_own_pace_and_the_score_is_their_gap(stream, trace):
    fall = stream("battery_v", "4 4 2 2 2")
    assert trace(falling(), fall, "fast") == pytest.approx([4, 4, 3, 2.5, 2.25])
    assert trace(falling(), fall, "slow") == pytest.approx([4, 4, 3.5, 3.125, 2.84375])
    assert trace(falling(), fall) == pytest.approx([0, 0, 0, 1, 1.25])


def test_only_the_named_direction_counts(stream, trace):
    rise = stream("battery_v", "2 4 4")
    assert trace(falling(), rise) == pytest.approx([0, 0, 0])
    assert trace(falling(direction="up"), rise) == pytest.approx([0, 0, 1])
    assert trace(falling(direction="both"), rise) == pytest.approx([0, 0, 1])


def test_the_score_is_zero_during_warm_up(stream, trace):
    fall = stream("battery_v", "4 2 2 2 2")
    assert [score > 0 for score in trace(falling(warm_up_s=180), fall)] == [False, False, False, False, True]


def test_the_momentary_load_is_corrected_for(stream, trace):
    sag = stream("battery_v", "4 3 4 3", motor_ma="0 10 0 10")
    assert trace(falling(load="motor_ma", per_load=0.1), sag) == pytest.approx([0, 0, 0, 0], abs=1e-6)
    assert max(trace(falling(), sag)) > 0.4


def test_after_a_long_gap_both_averages_equal_the_signal(stream, trace):
    gap = stream("battery_v", "4 4 -x1000 2 2")
    assert trace(falling(), gap, "slow")[-2:] == pytest.approx([2, 2])
    assert trace(falling(), gap)[-1] == pytest.approx(0)
