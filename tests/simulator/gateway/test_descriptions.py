"""Births say the same about pumps whether they are described alone or together, and at every time what is true then."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.gateway import descriptions
from simulator.gateway.descriptions import Descriptions
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation


@pytest.mark.parametrize("block", [1, 4, 1024])
def test_a_gateway_describes_its_own_pumps(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "BLOCK", block)
    fleet = Simulation(default(pumps=11), start_ms=0)
    described = Descriptions(fleet)
    for own in (range(1), range(3, 4), range(3, 9), range(8, 11)):
        assert described.of(own) == fleet.describe(own)


def test_a_new_program_is_in_the_next_birth() -> None:
    fleet = Simulation(default(pumps=3), start_ms=0)
    described = Descriptions(fleet)
    doses = described.of(range(1, 2)).dose_ug_day
    for forget in (described.forget, fleet.tick):
        fleet.prescribe(np.array([1]), dose_ug_day=fleet.fleet.dose_ug_day[[1]].astype(np.float64) * 1.05)
        forget()
        doses += described.of(range(1, 2)).dose_ug_day
    assert doses == pytest.approx([doses[0], doses[0] * 1.05, doses[0] * 1.05**2])
