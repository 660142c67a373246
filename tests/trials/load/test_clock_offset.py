"""Clock offsets: found through delays that differ both ways, never off by more than the uncertainty that is stated."""

from __future__ import annotations

import numpy as np
import pytest

from trials.load.clock_offset import Bounds, Ping, offset_of


def pings(ahead_ms: float, seed: int, count: int = 40, asymmetry_ms: float = 0.0) -> list[Ping]:
    chance = np.random.default_rng(seed)
    found = []
    for number in range(count):
        there, back = 0.2 + chance.exponential(3.0, 2)
        sent = 25.0 * number
        received = sent + there + asymmetry_ms
        found.append(Ping(sent, received + ahead_ms, received + ahead_ms + 0.1, received + 0.1 + back))
    return found


@pytest.mark.parametrize("ahead_ms", [-3_600_000.0, -7.5, 0.0, 0.3, 86_400_000.0])
@pytest.mark.parametrize("asymmetry_ms", [0.0, 4.0])
def test_the_offset_is_within_its_uncertainty(ahead_ms, asymmetry_ms):
    for seed in range(20):
        offset = offset_of(pings(ahead_ms, seed, asymmetry_ms=asymmetry_ms))
        assert offset is not None
        assert abs(offset.ahead_ms - ahead_ms) <= offset.uncertainty_ms


def test_slow_pings_say_nothing_if_there_are_fast_ones():
    fast = [Ping(0.0, 10.1, 10.1, 0.2)] * 10
    slow = [Ping(0.0, 510.0, 510.0, 501.0)] * 30
    offset = offset_of([*fast, *slow])
    assert offset is not None
    assert offset.ahead_ms == pytest.approx(10.0)
    assert offset.uncertainty_ms == pytest.approx(0.1)


def test_without_an_answer_there_is_no_offset():
    assert offset_of([]) is None
    assert offset_of([Ping(100.0, 0.0, 50.0, 101.0)]) is None, "returned before it was received"


def test_what_arrives_cannot_have_been_sent_later():
    bounds = Bounds()
    assert bounds.offset is None
    for way_ms in (30.0, 4.0, 9.0):
        bounds.received_there(1_000.0, 1_000.0 + way_ms + 250.0)
        bounds.received_here(2_000.0 + 250.0, 2_000.0 + way_ms)
    assert bounds.offset is not None
    assert bounds.offset.ahead_ms == pytest.approx(250.0)
    assert bounds.offset.uncertainty_ms == pytest.approx(4.0)
