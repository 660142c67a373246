"""Measured against expected, by hand: an average that goes half the way a minute."""

from __future__ import annotations

from math import log

import pytest

from processor.detectors.residual import residual


def below(**changes: object):
    settings = {"direction": "below", "share": 0.25, "floor": 0.5, "tau_s": 60 / log(2), **changes}
    return residual("flow_ul_h", "commanded_ul_h", **settings)


def test_the_averaged_loss_is_scored_against_a_share_of_what_is_expected(stream, told):
    half = stream("flow_ul_h", "4x5", commanded_ul_h="8")
    assert told(below(), half, "difference") == pytest.approx([0, -2, -3, -3.5, -3.75])
    assert told(below(), half) == pytest.approx([0, 0, 1, 1.5, 1.75])


def test_of_a_small_flow_the_floor_is_allowed(stream, told):
    trickle = stream("flow_ul_h", "0x4", commanded_ul_h="1")
    assert told(below(), trickle) == pytest.approx([0, 0, 1, 1.5])


def test_a_step_of_the_program_moves_both_and_is_no_fault(stream, told):
    step = stream("flow_ul_h", "4x3 8x4", commanded_ul_h="4x3 8x4")
    assert max(told(below(), step)) == 0


def test_too_much_is_no_too_little_and_has_a_detector_of_its_own(stream, told):
    much = stream("flow_ul_h", "12x3", commanded_ul_h="8")
    assert told(below(), much) == pytest.approx([0, 0, 0])
    assert told(below(direction="above"), much) == pytest.approx([0, 0, 1])


def test_a_missing_measurement_leaves_the_average_as_it_was(stream, told):
    assert told(below(), stream("flow_ul_h", "4 4 ? 4", commanded_ul_h="8"), "difference") == pytest.approx(
        [0, -2, -2, -3]
    )


def test_a_pump_that_stands_in_a_magnetic_field_teaches_nothing(stream, told):
    scan = stream("flow_ul_h", "8 8 0 0 0 8", commanded_ul_h="8", flags="0 0 128 128 128 0")
    assert told(below(), scan, "difference") == [0] * 6
    stands_on = stream("flow_ul_h", "8 8 0 0 0", commanded_ul_h="8", flags="0 0 128 0 0")
    assert told(below(), stands_on, "difference") == pytest.approx([0, 0, 0, -4, -6])
