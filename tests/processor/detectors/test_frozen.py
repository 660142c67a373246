"""A sensor that repeats itself, by hand: an average that goes half the way a minute."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.frozen import frozen

FROZEN = frozen("flow_ul_h", share=0.5, tau_s=60 / log(2), moving_above=0.2)


def test_the_share_of_repeats_is_scored(stream, told):
    assert told(FROZEN, stream("flow_ul_h", "8x5"), "repeats") == pytest.approx([0, 0.5, 0.75, 0.875, 0.9375])
    assert told(FROZEN, stream("flow_ul_h", "8x5")) == pytest.approx([0, 0, 1, 1.5, 1.75])


def test_a_live_sensor_scores_nothing_and_one_that_wakes_up_is_forgiven(stream, told):
    assert max(told(FROZEN, stream("flow_ul_h", "8 8.1 8 7.9 8"))) == 0
    assert told(FROZEN, stream("flow_ul_h", "8x3 8.1 8 8.1"))[-1] == pytest.approx(0.75 / 4 / 0.5)


def test_a_flow_of_nothing_may_stand_still(stream, told):
    assert max(told(FROZEN, stream("flow_ul_h", "0.2x10"))) == 0


def test_an_unknown_value_is_no_repeat_and_the_last_known_one_is_remembered(stream, told):
    assert told(FROZEN, stream("flow_ul_h", "8 ? 8"), "repeats") == pytest.approx([0, 0, 0.5])
