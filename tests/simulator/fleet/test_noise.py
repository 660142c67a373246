"""Sensor noise is normally distributed, also in its tails, and independent between sensors."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.fleet.sensors import LANES, Noise

PUMPS = 1_000_000


@pytest.fixture(scope="module")
def numbers():
    return Noise(seed=42, tick=3).normal(PUMPS)


def test_noise_has_the_spread_of_a_normal_distribution_in_every_lane(numbers):
    assert numbers.shape == (LANES, PUMPS)
    assert numbers.mean(axis=1) == pytest.approx(np.zeros(LANES), abs=0.005)
    assert numbers.std(axis=1) == pytest.approx(np.ones(LANES), abs=0.005)
    for deviations, share in ((1, 0.31731), (2, 0.04550), (3, 0.00270)):
        assert (np.abs(numbers) > deviations).mean() == pytest.approx(share, rel=0.02)


def test_noise_has_the_tails_of_a_normal_distribution_on_both_sides(numbers):
    beyond = [(numbers > 4.5).sum(), (numbers < -4.5).sum()]
    assert beyond == pytest.approx([8 * PUMPS * 3.3977e-6] * 2, abs=20)
    assert 4.9 < np.abs(numbers).max() < 6.4


def test_lanes_are_not_correlated(numbers):
    assert np.abs(np.corrcoef(numbers) - np.eye(LANES)).max() < 0.005


def test_noise_depends_only_on_seed_tick_and_pump_not_on_how_many_are_drawn_together(numbers):
    again = Noise(seed=42, tick=3)
    assert np.array_equal(np.hstack([again.normal(7), again.normal(11)]), numbers[:, :18])
    assert not np.array_equal(Noise(seed=42, tick=4).normal(18), numbers[:, :18])
    assert not np.array_equal(Noise(seed=43, tick=3).normal(18), numbers[:, :18])
