"""A sensor that repeats its reading, by hand: an average that halves its distance every minute."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.frozen import frozen

FROZEN = frozen(share=0.5, tau_s=60 / log(2))


def test_the_share_of_identical_readings_is_scored(stream, trace):
    assert trace(FROZEN, stream("flow_ul_h", "8x5"), "repeats") == pytest.approx([0, 0.5, 0.75, 0.875, 0.9375])
    assert trace(FROZEN, stream("flow_ul_h", "8x5")) == pytest.approx([0, 0, 1, 1.5, 1.75])


def test_a_live_sensor_scores_zero_and_a_recovered_one_returns_to_normal(stream, trace):
    assert max(trace(FROZEN, stream("flow_ul_h", "8 8.1 8 7.9 8"))) == 0
    assert trace(FROZEN, stream("flow_ul_h", "8x3 8.1 8 8.1"))[-1] == pytest.approx(0.75 / 4 / 0.5)


def test_an_unknown_reading_keeps_the_score(stream, trace):
    assert trace(FROZEN, stream("flow_ul_h", "8x3 ?x4")) == pytest.approx([0, 0, 1, 1, 1, 1, 1])


def test_a_reading_after_an_unknown_one_is_not_a_repeat(stream, trace):
    assert trace(FROZEN, stream("flow_ul_h", "8 ? 8 ? 8"), "repeats") == [0] * 5
