"""What people can do with alarms, and what they are answered, told as stories."""

from __future__ import annotations

import polars as pl

from broker.contract.actions import Acknowledge, InService, Note, OutOfService, Reset, Unacknowledge, Unshelve
from processor.alarms import lifecycle
from processor.alarms.actions import carry_out
from processor.alarms.hold import CONDITIONS, Conditions
from processor.alarms.states import ACKNOWLEDGED, LATCHED, OUT_OF_SERVICE, RETURNED, SHELVED, UNACKNOWLEDGED
from processor.detectors.limit import limit
from tests.processor.story import GONE, faulty, healthy, ward_of


def test_acknowledging_twice_keeps_the_first_name_and_says_nothing(story):
    it = story()
    faulty(it).acknowledge("anna", at=7).check("acknowledged low", low=ACKNOWLEDGED)
    it.acknowledge("ben", at=9).check("refused", low=ACKNOWLEDGED)
    it.outcome_is("Acknowledged no alarm. 1 refused: already acknowledged by anna.")
    assert it.alarms.select("acknowledged_by", "acknowledged_wall").row(0) == ("anna", 7)


def test_acknowledging_what_is_not_there_or_nothing_changes_nothing(story):
    it = story()
    it.acknowledge().check("refused")
    faulty(it)
    for named, answer in (
        ([], "Acknowledged no alarm."),
        (["P-0/low/1"], "Acknowledged no alarm. 1 refused: no longer open."),
    ):
        action = Acknowledge(id="1", alarms=named, who="anna", at=1)
        after, changes, outcome = carry_out(it.alarms, action, subjects=it.subjects, rules=it.rules)
        assert after.equals(it.alarms)
        assert (changes["kind"].to_list(), outcome.text) == (["refused"], answer)


def test_an_acknowledgement_can_be_taken_back(story):
    it = story()
    faulty(it).act(Unacknowledge).outcome_is("Withdrew the acknowledgment of no alarm. 1 refused: not acknowledged.")
    it.acknowledge().act(Unacknowledge, "ben").check("unacknowledged low", low=UNACKNOWLEDGED)
    assert it.alarms["acknowledged_by"].to_list() == [None]


def test_a_latched_alarm_stays_until_it_is_reset(story):
    it = story(latch=True)
    faulty(it).acknowledge()
    it.act(Reset).check("refused", low=ACKNOWLEDGED).outcome_is(
        "Reset no alarm. 1 refused: its condition still stands."
    )
    healthy(it).check("returned low", low=LATCHED)
    it.act(Reset).check("reset low", "cleared low", low=GONE).outcome_is("Reset 1 alarm.")


def test_a_latched_alarm_must_be_seen_before_it_is_reset_and_begins_anew_when_it_is_back(story):
    it = story(latch=True)
    faulty(it)
    healthy(it).check("returned low", low=RETURNED)
    it.act(Reset).outcome_is("Reset no alarm. 1 refused: not acknowledged.")
    it.acknowledge().check("acknowledged low", low=LATCHED)
    faulty(it).check("raised low", low=UNACKNOWLEDGED)


def test_what_is_not_latched_cannot_be_reset(story):
    faulty(story()).act(Reset).outcome_is("Reset no alarm. 1 refused: not latching: it clears by itself.")


def test_a_shelved_alarm_calls_nobody_until_its_time_is_over(story):
    it = story()
    faulty(it).shelve(2).check("shelved low", low=SHELVED).outcome_is("Shelved 1 alarm.")
    healthy(it).check("returned low", low=SHELVED)
    assert it.annunciated == []
    faulty(it).check("raised low", low=SHELVED)
    assert it.annunciated == []
    it.wait(1.9).check(low=SHELVED)
    it.wait(0.1).check("unshelved low", low=UNACKNOWLEDGED)
    assert it.annunciated == ["unshelved"]


def test_a_shelved_alarm_that_was_seen_and_is_back_has_to_be_seen_again(story):
    it = story()
    faulty(it).acknowledge().shelve(1)
    healthy(it).check("returned low", low=SHELVED)
    faulty(it).check("raised low", low=SHELVED)
    it.act(Unshelve).check("unshelved low", low=UNACKNOWLEDGED)


def test_a_shelved_alarm_that_was_seen_and_is_over_goes_when_its_time_is_over(story):
    it = story()
    healthy(faulty(it).acknowledge().shelve(1))
    it.wait(1).check("unshelved low", "cleared low", low=GONE)


def test_shelving_has_a_longest_time_and_needs_a_reason(story):
    it = story()
    faulty(it).shelve(4.1).check("refused", low=UNACKNOWLEDGED)
    it.outcome_is("Shelved no alarm. 1 refused: longer than the 4 h allowed for its priority.")
    it.shelve(1, why=" ").check("refused", low=UNACKNOWLEDGED)
    it.outcome_is("Shelved no alarm. Enter a reason or a text.")
    it.shelve(4).check("shelved low", low=SHELVED)
    assert it.alarms.select("shelved_by", "shelved_wall", "shelved_why").row(0) == ("anna", 7, "known since Monday")
    it.act(Unshelve).act(Unshelve).outcome_is("Unshelved no alarm. 1 refused: not shelved.")


def test_out_of_service_an_alarm_says_nothing_whatever_happens(story):
    it = story()
    faulty(it).shelve(1).act(OutOfService, why="sensor replaced").check("out_of_service low", low=OUT_OF_SERVICE)
    healthy(it).check("returned low", low=OUT_OF_SERVICE)
    faulty(it).check("raised low", low=OUT_OF_SERVICE)
    assert it.annunciated == []
    it.wait(1000).check(low=OUT_OF_SERVICE)
    it.shelve(1).outcome_is("Shelved no alarm. 1 refused: out of service.")
    it.act(InService, "ben").check("in_service low", low=UNACKNOWLEDGED)


def test_a_note_stands_beside_the_alarm_and_changes_no_state(story):
    it = story()
    faulty(it).act(Note, why="called the ward").check("note low", low=UNACKNOWLEDGED)
    assert it.alarms.select("note", "note_by", "note_wall").row(0) == ("called the ward", "anna", 7)


def test_of_two_people_who_act_at_once_the_second_learns_of_the_first(story):
    it = story()
    faulty(it).shelve(1, who="anna").acknowledge("ben").acknowledge("cleo")
    it.outcome_is("Acknowledged no alarm. 1 refused: already acknowledged by ben.")
    it.act(OutOfService, "dora", why="repair").act(OutOfService, "eva", why="repair")
    it.outcome_is("Took out of service no alarm. 1 refused: already taken out of service by dora.")


def test_ten_thousand_alarms_are_acted_on_at_once(rule_of):
    rules = (rule_of(limit("battery_v", below=2, span=1), "low"),)
    serials = pl.Series("pump", [f"P-{number}" for number in range(10_000)])
    rows = {
        "pump": range(10_000),
        "gateway": None,
        "other": None,
        "other_kind": None,
        "rule": "low",
        "onset": 5,
        "time": 6,
        "score": 1.0,
    }
    seen = pl.DataFrame(rows, CONDITIONS)
    subjects = ward_of(serials)
    raised, _ = lifecycle.advance(
        lifecycle.no_alarms(), Conditions(seen, seen.clear()), now=0, subjects=subjects, rules=rules
    )
    action = Acknowledge(id="1", alarms=raised["alarm"].to_list(), who="anna", at=1)
    seen_by, changes, outcome = carry_out(raised, action, subjects=subjects, rules=rules)
    assert (outcome.done, outcome.refused, changes.height) == (10_000, 0, 10_000)
    over, _ = lifecycle.advance(seen_by, Conditions(seen.clear(), seen), now=0, subjects=subjects, rules=rules)
    assert over.height == 0
