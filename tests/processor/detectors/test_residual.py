"""Measured against expected flow, by hand: an average that halves its distance every minute."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.residual import residual


def below(**changes: object):
    settings = {"direction": "below", "share": 0.25, "floor": 0.5, "tau_s": 60 / log(2), **changes}
    return residual("flow_ul_h", "commanded_ul_h", **settings)


def test_the_averaged_loss_is_scored_against_a_share_of_the_expected_value(stream, trace):
    half = stream("flow_ul_h", "4x5", commanded_ul_h="8")
    assert trace(below(), half, "difference") == pytest.approx([0, -2, -3, -3.5, -3.75])
    assert trace(below(), half) == pytest.approx([0, 0, 1, 1.5, 1.75])


def test_the_floor_is_the_limit_of_a_small_flow(stream, trace):
    trickle = stream("flow_ul_h", "0x4", commanded_ul_h="1")
    assert trace(below(), trickle) == pytest.approx([0, 0, 1, 1.5])


def test_a_program_step_moves_both_and_is_not_a_fault(stream, trace):
    step = stream("flow_ul_h", "4x3 8x4", commanded_ul_h="4x3 8x4")
    assert max(trace(below(), step)) == 0


def test_an_excess_is_not_a_deficit_and_has_its_own_detector(stream, trace):
    excess = stream("flow_ul_h", "12x3", commanded_ul_h="8")
    assert trace(below(), excess) == pytest.approx([0, 0, 0])
    assert trace(below(direction="above"), excess) == pytest.approx([0, 0, 1])


def test_a_missing_reading_leaves_the_average_unchanged(stream, trace):
    assert trace(below(), stream("flow_ul_h", "4 4 ? 4", commanded_ul_h="8"), "difference") == pytest.approx(
        [0, -2, -2, -3]
    )


def test_nothing_is_learned_in_a_magnetic_field(stream, trace):
    scan = stream("flow_ul_h", "8 8 0 0 0 8", commanded_ul_h="8", flags="0 0 128 128 128 0")
    assert trace(below(), scan, "difference") == [0] * 6
    stands_on = stream("flow_ul_h", "8 8 0 0 0", commanded_ul_h="8", flags="0 0 128 0 0")
    assert trace(below(), stands_on, "difference") == pytest.approx([0, 0, 0, -4, -6])
