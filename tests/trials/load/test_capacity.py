"""The capacity curve: how cores and memory grow with the load."""

from __future__ import annotations

import pytest

from tests.trials.load.test_judging import stage
from trials.load.capacity import exponents


def at(load: float, cores: float, memory_mb: float):
    parts = {
        "processor": {"cores": cores, "memory_mb": memory_mb},
        "generator 0": {"cores": 9.0, "memory_mb": 9.0},
        "all": {"cores": cores + 9.0, "memory_mb": memory_mb + 9.0},
    }
    return stage(offered_per_s=load, resources=parts)


def test_the_exponents_of_the_system_without_its_generators_are_found():
    curve = [at(load, 0.001 * load**0.7, 100 * load**0.25) for load in (1_000.0, 10_000.0, 100_000.0)]
    assert exponents(curve) == {"cores": pytest.approx(0.7), "memory_mb": pytest.approx(0.25)}


def test_two_stages_or_stages_much_alike_make_no_curve():
    assert exponents([at(1_000.0, 0.1, 100.0), at(100_000.0, 0.2, 200.0)]) == {}
    assert exponents([at(load, 0.1, 100.0) for load in (1_000.0, 1_500.0, 2_000.0)]) == {}
