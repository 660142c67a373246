"""On-delay, off-delay and deadband: when a condition stands, and when it has cleared."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.alarms.hold import SCORES, hold, no_scores, no_timers, shift, with_missing
from processor.alarms.states import RETURNED, UNACKNOWLEDGED
from processor.detectors.silence import silence
from processor.engine import engine
from processor.watch.silence import silence_scores
from tests.processor.story import START_MS, faulty


def test_a_condition_clears_only_below_the_deadband(story):
    it = story()
    faulty(it).check("raised low", low=UNACKNOWLEDGED)
    it.sample(battery_v=2.05).check(low=UNACKNOWLEDGED)
    faulty(it).check(low=UNACKNOWLEDGED)
    it.sample(battery_v=2.15).check(low=UNACKNOWLEDGED)
    it.sample(battery_v=2.25).check("returned low", low=RETURNED)


def test_the_onset_of_silence_does_not_depend_on_when_it_is_detected(rule_of, stream, feed):
    rules = (rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "quiet"),)
    state = feed(stream("flow_ul_h", "8x20", every_s=60.123), rules)
    last = int(state["time"][0])
    onsets = set()
    for age_s in [490.0 + 13.337 * step for step in range(200)]:
        ages = pl.Series([age_s], dtype=pl.Float32)
        judged = engine.with_ages(state, ages, rules).with_columns(
            pl.lit(0, pl.UInt32).alias("pump"), ages.alias("age"), pl.lit(last + round(age_s * 1000)).alias("now")
        )
        _, found = hold(no_timers(), silence_scores(judged, no_timers(), rules), rules)
        onsets.update(found.standing["onset"].to_list())
    assert len(onsets) == 1
    assert onsets.pop() == pytest.approx(last + 8 * 60_123, abs=500)


ON_S, OFF_S, STEP_S = 120.0, 180.0, 60
CALM, HOVERING, HIGH = 0.2, 0.9, 1.5


@pytest.fixture
def rules(rule_of):
    return (rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "timed", on_delay_s=ON_S, off_delay_s=OFF_S),)


def scores(*values: float | None, at_s: int, onset: int | None = None, rule: str = "timed") -> pl.DataFrame:
    """Return scores of pumps 0, 1, … at one time."""
    rows = [
        {"pump": pump, "rule": rule, "score": value, "time": at_s * 1000, "onset": onset}
        for pump, value in enumerate(values)
    ]
    return pl.DataFrame([{**dict.fromkeys(SCORES), **row} for row in rows], SCORES)


def run(rules, values: list[float | None], timers: pl.DataFrame | None = None, first: int = 0):
    """Hold one score per minute; return the timers and, for each minute, whether the condition stands or cleared."""
    timers, outcomes = no_timers() if timers is None else timers, []
    for minute, value in enumerate(values, start=first):
        timers, found = hold(timers, scores(value, at_s=minute * STEP_S), rules)
        outcomes.append("stands" if found.standing.height else "cleared" if found.cleared.height else "")
    return timers, outcomes


def test_a_condition_stands_after_its_score_has_been_at_the_limit_for_the_on_delay(rules):
    assert run(rules, [CALM, HIGH, HIGH, HIGH, HIGH])[1] == ["", "", "", "stands", "stands"]


def test_a_score_that_falls_below_the_limit_restarts_the_on_delay(rules):
    assert run(rules, [HIGH, HIGH, HOVERING, HIGH, HIGH, HIGH])[1] == ["", "", "", "", "", "stands"]


def test_a_condition_clears_after_its_score_has_been_below_the_limit_for_the_off_delay(rules):
    outcomes = run(rules, [HIGH] * 3 + [CALM] * 5)[1]
    assert outcomes == ["", "", "stands", "", "", "", "cleared", ""]


def test_the_off_delay_runs_while_a_score_hovers_but_it_clears_only_below_the_deadband(rules):
    outcomes = run(rules, [HIGH] * 3 + [HOVERING] * 5 + [CALM])[1]
    assert outcomes == ["", "", "stands", "", "", "", "", "", "cleared"]


def test_an_unknown_score_changes_nothing(rules):
    timers, outcomes = run(rules, [HIGH] * 3 + [None] * 9)
    assert outcomes == ["", "", "stands", *[""] * 9]
    assert timers["standing"].to_list() == [True]


def test_a_calm_score_needs_no_timer(rules):
    assert run(rules, [CALM, HOVERING, CALM])[0].is_empty()


def test_each_subject_has_a_timer_of_its_own(rules):
    timers = no_timers()
    for minute in range(3):
        timers, found = hold(timers, scores(HIGH, HIGH if minute else CALM, at_s=minute * STEP_S), rules)
    assert found.standing["pump"].to_list() == [0]
    assert timers["pump"].to_list() == [0, 1]


def test_timers_of_subjects_without_a_score_stay_as_they_are(rules):
    timers, _ = run(rules, [HIGH])
    after, found = hold(timers, scores(at_s=600), rules)
    assert after.equals(timers)
    assert found.standing.is_empty()


def test_the_on_delay_counts_from_the_onset_if_the_source_knows_it(rules):
    _, found = hold(no_timers(), scores(HIGH, at_s=600, onset=480_000), rules)
    assert found.standing.select("onset", "time").rows() == [(480_000, 600_000)]


def test_delays_run_on_the_wall_clock_if_given_and_follow_it_when_it_is_set(rules):
    timers, _ = hold(no_timers(), scores(HIGH, at_s=0), rules, now=1_000)
    timers, early = hold(timers, scores(HIGH, at_s=9_000), rules, now=100_000)
    assert early.standing.is_empty()
    shifted = shift(timers, rules, 3_600_000)
    _, late = hold(shifted, scores(HIGH, at_s=9_060), rules, now=3_600_000 + 121_000)
    assert late.standing["onset"].to_list() == [0]


def test_an_onset_ahead_of_the_clock_does_not_delay_the_alarm(rule_of):
    immediate = (rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "timed"),)
    timers, found = hold(no_timers(), scores(HIGH, at_s=600, onset=600_400), immediate)
    assert found.standing["onset"].to_list() == [600_400]
    _, later = hold(timers, scores(CALM, at_s=600), immediate)
    assert later.cleared.height == 1


def test_a_score_just_below_the_limit_is_not_rounded_up_to_it(rules):
    assert run(rules, [1.0 - 1e-12] * 5)[0].is_empty()


def test_a_subject_that_a_complete_source_no_longer_scores_returns_to_normal(rules):
    timers, _ = run(rules, [HIGH] * 3)
    outcomes = []
    for minute in range(3, 8):
        complete = with_missing(no_scores(), timers, rules, minute * STEP_S * 1000)
        timers, found = hold(timers, complete, rules)
        outcomes.append(found.cleared.height)
    assert outcomes == [0, 0, 0, 1, 0]


def test_timers_of_other_rules_are_not_missing(rules, rule_of):
    timers, _ = run(rules, [HIGH] * 3)
    others = (rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "other"),)
    assert with_missing(no_scores(), timers, others, 0).is_empty()


@pytest.mark.parametrize("deadband", [0.5, 0.95])
def test_each_rule_has_a_deadband_of_its_own(rule_of, deadband):
    rule = rule_of(silence(floor_s=480, intervals=8, in_field_s=7200), "timed", deadband=deadband)
    outcomes = run((rule,), [HIGH, HOVERING, CALM])[1]
    assert outcomes == (["stands", "cleared", ""] if deadband > HOVERING else ["stands", "", "cleared"])


def test_an_off_delay_that_the_deadband_restarts_runs_from_the_first_score_below_the_deadband(rule_of):
    detector = silence(floor_s=480, intervals=8, in_field_s=7200)
    strict = (rule_of(detector, "timed", off_delay_s=OFF_S, deadband_restarts_off_delay=True),)
    timers, outcomes = run(strict, [HIGH, CALM, CALM, HOVERING, None])
    assert outcomes == ["stands", "", "", "", ""]
    assert timers["since"].to_list() == [None]
    assert run(strict, [CALM, CALM, CALM, CALM], timers, first=5)[1] == ["", "", "", "cleared"]


def test_a_pump_rule_whose_deadband_restarts_the_off_delay_is_rejected(story):
    with pytest.raises(ValueError, match="restart"):
        faulty(story(deadband_restarts_off_delay=True))


SEQUENCES = st.lists(st.sampled_from([CALM, HOVERING, HIGH, None]), max_size=30)


@given(values=SEQUENCES, cut=st.integers(0, 30))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_restart_with_the_same_timers_changes_nothing(rules, values, cut):
    timers, first = run(rules, values[:cut])
    assert first + run(rules, values[cut:], timers, first=len(first))[1] == run(rules, values)[1]


@given(values=SEQUENCES)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_condition_stands_before_the_on_delay_and_a_hovering_score_neither_raises_nor_clears(rules, values):
    outcomes = run(rules, values)[1]
    for minute, (value, outcome) in enumerate(zip(values, outcomes, strict=True)):
        if outcome == "stands":
            on_delay = [each for each in values[: minute + 1] if each is not None][-int(ON_S // STEP_S) :]
            assert value == HIGH
            assert set(on_delay) == {HIGH}
        elif outcome == "cleared":
            assert value == CALM
            assert "stands" in outcomes[:minute]


VOLTS = {CALM: 2.8, HOVERING: 2.1, HIGH: 1.5}
"""Voltages at which the rule of `story` has these scores."""


@given(values=st.lists(st.sampled_from([CALM, HOVERING, HIGH]), max_size=30))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_timers_in_pump_columns_and_timers_in_rows_agree(rules, story, values):
    pump, timers, onset = story(on_s=ON_S, off_s=OFF_S), no_timers(), None
    for minute, value in enumerate(values):
        stood = not timers.is_empty() and timers["standing"][0]
        timers, found = hold(timers, scores(value, at_s=minute * STEP_S), rules)
        raised, cleared = found.standing.height and not stood, found.cleared.height
        assert pump.sample(battery_v=VOLTS[value]).changes == ["raised low"] * raised + ["returned low"] * cleared
        if raised and onset is None:
            onset = found.standing["onset"][0]
    # An alarm that is raised again keeps its onset.
    assert pump.alarms["onset"].to_list() == ([] if onset is None else [START_MS + onset])
