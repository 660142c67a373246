"""Programs deliver each step at its rate, and the daily dose in total."""

from __future__ import annotations

import numpy as np
import pytest

from broker.contract.dose_limits import MAX_STEPS
from simulator.fleet.program import DAY_S, drawn, profile


def test_a_continuous_rate_is_the_same_at_all_times():
    assert profile([(0, 7)]).mean_factor(12_345, 60).tolist() == [1]


def test_a_schedule_delivers_each_step_at_its_rate_and_the_daily_dose_in_total():
    schedule = profile([(0, 1), (6 * 3600, 3)])
    assert schedule.mean_factor(0, 60)[0] == pytest.approx(0.4)
    assert schedule.mean_factor(6 * 3600, 60)[0] == pytest.approx(1.2)
    assert schedule.mean_factor(5000, DAY_S)[0] == pytest.approx(1)


def test_an_interval_across_a_step_or_midnight_has_the_mean_of_both_rates():
    schedule = profile([(0, 1), (6 * 3600, 3)])
    assert schedule.mean_factor(6 * 3600 - 30, 60)[0] == pytest.approx(0.8)
    assert schedule.mean_factor(DAY_S - 15, 60)[0] == pytest.approx((15 * 1.2 + 45 * 0.4) / 60)


def test_a_step_may_stop_the_pump():
    assert profile([(0, 0), (3600, 2)]).mean_factor(60, 60).tolist() == [0]


def test_random_schedules_have_up_to_thirteen_steps_and_deliver_the_daily_dose():
    profiles = drawn(np.random.default_rng(1))
    assert profiles.steps.min() == 1
    assert profiles.steps.max() == MAX_STEPS
    assert profiles.mean_factor(0, DAY_S) == pytest.approx(1)


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([], "0 steps in a day profile; allowed are 1 to 13"),
        ([(hour * 3600, 1) for hour in range(14)], "14 steps"),
        ([(60, 1)], "the first must begin at 0"),
        ([(0, 1), (0, 2)], "each later than the one before"),
        ([(0, 1), (DAY_S, 2)], "all before 86400"),
        ([(0, -1)], "none may be negative"),
        ([(0, 0)], "one must be positive"),
    ],
)
def test_an_invalid_schedule_is_refused_with_its_reason(steps, complaint):
    with pytest.raises(ValueError, match=complaint):
        profile(steps)
