"""Steps of the wall clock: detected, reported, and no cause of silence alarms."""

from __future__ import annotations

import pytest

from processor.service.wall_clock import WallClock

HOUR_MS = 3_600_000


def test_gradual_clock_synchronization_is_not_a_step() -> None:
    clock = WallClock()
    walls = [1000, 2000, 3500, 4600, 5000]
    assert [clock.step(wall, at + 1) for at, wall in enumerate(walls)] == [0] * 5
    assert clock.steps == 0


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_a_step_of_the_wall_clock_is_reported_once_with_its_size(step_ms: int) -> None:
    clock = WallClock()
    steps = [clock.step(1000 * at + (step_ms if at >= 3 else 0), float(at)) for at in range(6)]
    assert steps == [0, 0, 0, step_ms, 0, 0]
    assert clock.steps == 1


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_a_step_of_the_wall_clock_neither_raises_nor_clears_a_silence_alarm(watch, json_sample, step_ms: int) -> None:
    watch.birth("A")
    watch.deliver(json_sample(seq=1))
    watch.wait_s(5)
    before = watch.snapshot().pumps["age_s"].to_list()
    watch.now += step_ms
    watch.pipeline.shift_wall_clock(step_ms)
    watch.take([])
    assert watch.snapshot().pumps["age_s"].to_list() == before
    assert watch.snapshot().alarms.height == 0
    watch.wait_s(4)
    watch.take([])
    assert watch.snapshot().alarms["rule"].to_list() == ["pump_silent"]
