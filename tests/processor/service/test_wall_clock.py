"""The wall clock may be set at any time; no pump becomes silent by that."""

from __future__ import annotations

import pytest

from processor.service.wall_clock import WallClock

HOUR_MS = 3_600_000


def test_a_clock_that_is_being_synchronized_was_not_set() -> None:
    clock = WallClock()
    walls = [1000, 2000, 3500, 4600, 5000]
    assert [clock.step(wall, at + 1) for at, wall in enumerate(walls)] == [0] * 5
    assert clock.steps == 0


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_a_clock_that_was_set_is_reported_once_with_the_step(step_ms: int) -> None:
    clock = WallClock()
    steps = [clock.step(1000 * at + (step_ms if at >= 3 else 0), float(at)) for at in range(6)]
    assert steps == [0, 0, 0, step_ms, 0, 0]
    assert clock.steps == 1


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_no_pump_becomes_silent_or_heard_by_a_clock_that_was_set(watch, json_sample, step_ms: int) -> None:
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
