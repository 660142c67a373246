"""Page's cumulative sum, by hand."""

from __future__ import annotations

import pytest

from processor.detectors.shift import shift

LOW = shift("flow_ul_h", "commanded_ul_h", direction="below", slack=0.1, floor=1.0, reach_h=1.0)


def test_a_shift_of_twice_the_slack_is_detected_after_the_reach(stream, trace):
    fifth_less = stream("flow_ul_h", "8x9", commanded_ul_h="10", every_s=600)
    sixths = [0, 0, 1, 2, 3, 4, 5, 6, 6.3]
    assert trace(LOW, fifth_less) == pytest.approx([each / 6 for each in sixths], rel=1e-4)


def test_a_shift_below_the_slack_is_never_detected_and_one_above_decays_at_the_same_pace(stream, trace):
    assert max(trace(LOW, stream("flow_ul_h", "9.1x50", commanded_ul_h="10", every_s=600))) == 0
    there_and_back = stream("flow_ul_h", "8x4 10x5", commanded_ul_h="10", every_s=600)
    assert trace(LOW, there_and_back, "sum_h")[3:] == pytest.approx([0.05, 0.05 - 0.1 / 6, 0.05 / 3, 0, 0, 0], abs=1e-6)


def test_the_other_direction_is_another_detector(stream, trace):
    high = shift("flow_ul_h", "commanded_ul_h", direction="above", slack=0.1, floor=1.0, reach_h=1.0)
    excess = stream("flow_ul_h", "12x8", commanded_ul_h="10", every_s=600)
    assert trace(high, excess)[-1] == pytest.approx(1, rel=1e-4)
    assert max(trace(LOW, excess)) == 0


def test_a_tiny_flow_is_judged_relative_to_the_floor(stream, trace):
    trickle = stream("flow_ul_h", "0.15x8", commanded_ul_h="0.25", every_s=600)
    assert max(trace(LOW, trickle)) == pytest.approx(0)


def test_a_gap_counts_as_one_hour_at_most(stream, trace):
    gap = stream("flow_ul_h", "8 -x10 8", commanded_ul_h="10", every_s=3600)
    assert trace(LOW, gap, "sum_h") == pytest.approx([0, 0.1])


def test_an_unknown_expected_flow_leaves_the_sum_unchanged(stream, trace):
    gap = stream("flow_ul_h", "8x5", commanded_ul_h="10 10 ? ? 10", every_s=600)
    assert trace(LOW, gap, "sum_h") == pytest.approx([0, 0.1 / 6, 0.1 / 6, 0.1 / 6, 0.2 / 6])


def test_time_in_a_magnetic_field_adds_nothing(stream, trace):
    scan = stream("flow_ul_h", "8 8 0 0 8", commanded_ul_h="10", flags="0 0 128 128 0", every_s=600)
    assert trace(LOW, scan, "sum_h") == pytest.approx([0, 0.1 / 6, 0.1 / 6, 0.1 / 6, 0.2 / 6])
