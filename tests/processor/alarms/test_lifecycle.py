"""Lifecycle of an alarm: raised, acknowledged, returned to normal, re-annunciated, cleared."""

from __future__ import annotations

import polars as pl

from processor.alarms import lifecycle
from processor.alarms.states import ACKNOWLEDGED, RETURNED, STATES, UNACKNOWLEDGED, state_of
from processor.rules import RULES
from tests.processor.story import CLEARED, MINUTE_MS, START_MS, faulty, healthy


def test_an_alarm_is_raised_acknowledged_and_cleared(story):
    it = story()
    healthy(it).check()
    faulty(it).check("raised low", low=UNACKNOWLEDGED)
    faulty(it).check(low=UNACKNOWLEDGED)
    it.acknowledge().check("acknowledged low", low=ACKNOWLEDGED)
    faulty(it).check(low=ACKNOWLEDGED)
    healthy(it).check("returned low", "cleared low", low=CLEARED)
    healthy(it).check()


def test_an_alarm_that_returned_unacknowledged_stays_open_until_it_is_acknowledged(story):
    it = story()
    faulty(it).check("raised low", low=UNACKNOWLEDGED)
    healthy(it).check("returned low", low=RETURNED)
    healthy(it).check(low=RETURNED)
    it.acknowledge().check("acknowledged low", "cleared low", low=CLEARED)


def test_an_alarm_is_not_raised_before_its_on_delay(story):
    it = story(on_s=120)
    faulty(it).check()
    faulty(it).check()
    faulty(it).check("raised low", low=UNACKNOWLEDGED)


def test_a_violation_that_pauses_restarts_the_on_delay(story):
    it = story(on_s=120)
    faulty(faulty(it)).check()
    healthy(it).check()
    faulty(faulty(it)).check()
    faulty(it).check("raised low", low=UNACKNOWLEDGED)


def test_an_alarm_does_not_return_to_normal_before_its_off_delay(story):
    it = story(off_s=120)
    faulty(it).check("raised low", low=UNACKNOWLEDGED)
    healthy(healthy(it)).check(low=UNACKNOWLEDGED)
    healthy(it).check("returned low", low=RETURNED)


def test_a_violation_during_the_off_delay_restarts_it(story):
    it = story(off_s=120)
    faulty(it).acknowledge().check("acknowledged low", low=ACKNOWLEDGED)
    healthy(healthy(it)).check(low=ACKNOWLEDGED)
    faulty(it).check(low=ACKNOWLEDGED)
    healthy(healthy(it)).check(low=ACKNOWLEDGED)
    healthy(it).check("returned low", "cleared low", low=CLEARED)


def test_an_alarm_that_recurs_before_it_is_acknowledged_is_the_same_alarm(story):
    it = story()
    faulty(it).check("raised low", low=UNACKNOWLEDGED)
    first = it.alarms["alarm"][0]
    healthy(it).check("returned low", low=RETURNED)
    faulty(it)
    assert it.alarms["alarm"].to_list() == [first]
    assert it.alarms["returned"].to_list() == [None]
    assert it.suppressed_by() == {"low": None}


def test_an_alarm_that_recurs_after_it_cleared_is_a_new_alarm(story):
    it = story()
    first = faulty(it).alarms["alarm"][0]
    healthy(it.acknowledge()).check("returned low", "cleared low", low=CLEARED)
    faulty(it).check("raised low", low=UNACKNOWLEDGED)
    assert it.alarms["alarm"][0] != first


def test_an_alarm_id_consists_of_pump_rule_and_onset_and_both_clocks_date_the_alarm(story):
    it = story(on_s=60)
    faulty(healthy(it))
    faulty(it)
    onset = START_MS + MINUTE_MS
    assert it.alarms.select("alarm", "onset", "raised", "raised_wall").row(0) == (
        f"P-0/low/{onset}", onset, onset + MINUTE_MS, 2,
    )  # fmt: skip


def test_an_alarm_keeps_its_highest_score(story):
    it = story()
    faulty(it).sample(battery_v=0).sample(battery_v=1.5)
    assert it.alarms["score"][0] == 3


def test_every_combination_of_times_and_flags_has_an_alarm_state():
    times = ("returned", "acknowledged_wall", "reset_wall", "shelved_until", "out_wall")
    rows = [
        {name: 1 if bits >> place & 1 else None for place, name in enumerate(times)}
        | {"latch": bool(bits >> 5 & 1), "under": "other" if bits >> 6 & 1 else None}
        for bits in range(128)
    ]
    schema = {**dict.fromkeys(times, pl.Int64), "latch": pl.Boolean, "under": pl.String}
    states = pl.DataFrame(rows, schema).select(state_of().alias("state"))["state"]
    assert set(states) == set(STATES)
    assert states.null_count() == 0


def test_an_acknowledged_high_priority_alarm_that_stands_for_12_hours_is_re_annunciated(story):
    it = story()
    faulty(it).acknowledge()
    it.wait(11.9).check(low=ACKNOWLEDGED)
    it.wait(0.2).check("realarmed low", low=UNACKNOWLEDGED)
    assert (it.annunciated, it.alarms["acknowledged_by"][0]) == (["realarmed"], "anna")
    it.acknowledge("ben").check("acknowledged low", low=ACKNOWLEDGED)
    it.wait(11.9).check(low=ACKNOWLEDGED)


def test_a_rule_sets_its_re_annunciation_time_and_a_low_priority_rule_without_one_is_never_re_annunciated(story):
    it = story(realarm_h=2.0, priority="low")
    faulty(it).acknowledge()
    it.wait(2).check("realarmed low", low=UNACKNOWLEDGED)
    it = story(priority="low")
    faulty(it).acknowledge()
    it.wait(1000).check(low=ACKNOWLEDGED)


def test_alarms_saved_by_an_older_version_are_restored(story):
    it = story()
    faulty(it).acknowledge()
    old = ("alarm", "pump", "rule", "priority", "onset", "raised", "raised_wall", "returned", "acknowledged_wall",
           "acknowledged_by", "score")  # fmt: skip
    back = lifecycle.restored(it.alarms.select(old), it.rules)
    assert dict(back.schema) == lifecycle.SCHEMA
    assert back.select(state_of()).to_series().to_list() == [ACKNOWLEDGED]
    assert back.select("acknowledged", "changed", "latch").row(0) == (START_MS, START_MS, False)
    assert lifecycle.restored(it.alarms, ()).height == 0


def test_subjects_saved_by_an_older_version_get_their_kind_from_their_names():
    names = ["system: storage", "lot B07", "model 20 mL", None]
    old = pl.DataFrame({"alarm": names, "other": names, "rule": "motor_stall"}, strict=False)
    assert lifecycle.restored(old, RULES)["other_kind"].to_list() == ["system", "cohort", "cohort", None]
