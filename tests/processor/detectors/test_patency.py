"""Pressure and pulsatility together, by hand: averages that go half the way a minute, and a past that hardly moves."""

from __future__ import annotations

from itertools import pairwise
from math import log

import pytest
from processor.detectors.patency import patency


def catheter(**changes: object):
    settings = {"pressure": "rises", "by_mmhg": 7.0, "pulse_lost": 0.5, "fast_s": 60 / log(2), "slow_s": 1e9}
    return patency(**{**settings, "warm_up_s": 0, **changes})


def test_the_lesser_of_both_signs_is_the_score(stream, told):
    kinked = stream("pressure_mmhg", "10 10 24 24 24", pulse_mmhg="2 2 0 0 0")
    assert told(catheter(), kinked, "pressure") == pytest.approx([10, 10, 17, 20.5, 22.25])
    assert told(catheter(), kinked, "pulse") == pytest.approx([2, 2, 1, 0.5, 0.25])
    assert told(catheter(), kinked) == pytest.approx([0, 0, 0, 1, 1.5], abs=1e-5)


def test_neither_sign_alone_is_enough(stream, told):
    pressed = stream("pressure_mmhg", "10 10 24x6", pulse_mmhg="2")
    faint = stream("pulse_mmhg", "2 2 0x6", pressure_mmhg="10")
    assert max(told(catheter(), pressed)) < 1e-5
    assert max(told(catheter(), faint)) < 1e-5


def test_a_fall_of_pressure_is_another_detector(stream, told):
    slipped = stream("pressure_mmhg", "10 10 3 3 3", pulse_mmhg="2 2 0 0 0")
    assert max(told(catheter(), slipped)) == 0
    assert told(catheter(pressure="falls", by_mmhg=3.5), slipped) == pytest.approx([0, 0, 0, 1, 1.5], abs=1e-5)


def test_a_fault_does_not_become_the_norm(stream, told):
    lasting = stream("pressure_mmhg", "10 10 24x40", pulse_mmhg="2 2 0x40")
    usual = told(catheter(slow_s=600.0), lasting, "pressure_usual")
    learned = sum(one != two for one, two in pairwise(usual))
    assert learned <= 2
    assert told(catheter(slow_s=600.0), lasting)[-1] > 1


def test_a_healthy_catheter_teaches_what_is_usual(stream, told):
    lying_down = stream("pressure_mmhg", "10 12x60", pulse_mmhg="2")
    assert told(catheter(slow_s=600.0), lying_down, "pressure_usual")[-1] == pytest.approx(12, abs=0.05)


def test_nothing_is_said_before_enough_was_seen_nor_of_what_is_unknown(stream, told):
    kinked = stream("pressure_mmhg", "10 24x5", pulse_mmhg="2 0x5")
    assert [score > 0 for score in told(catheter(warm_up_s=180), kinked)] == [False] * 4 + [True] * 2
    assert told(catheter(), stream("pressure_mmhg", "10 24x4", pulse_mmhg="?")) == [0] * 5
