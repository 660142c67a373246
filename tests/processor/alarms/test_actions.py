"""Operator actions on alarms, and the outcome that each reports."""

from __future__ import annotations

import polars as pl

from broker.contract.actions import Acknowledge, InService, Note, OutOfService, Reset, Unacknowledge, Unshelve
from processor.alarms import lifecycle
from processor.alarms.actions import carry_out
from processor.alarms.hold import CONDITIONS, Conditions
from processor.alarms.states import ACKNOWLEDGED, LATCHED, OUT_OF_SERVICE, RETURNED, SHELVED, UNACKNOWLEDGED
from processor.detectors.limit import limit
from tests.processor.story import CLEARED, faulty, healthy, ward_of


def test_a_second_acknowledgment_is_refused_and_the_first_operator_is_kept(story):
    it = story()
    faulty(it).acknowledge("anna", at=7).check("acknowledged low", low=ACKNOWLEDGED)
    it.acknowledge("ben", at=9).check("refused", low=ACKNOWLEDGED)
    it.outcome_is("Acknowledged no alarm. 1 refused: already acknowledged by anna.")
    assert it.alarms.select("acknowledged_by", "acknowledged_wall").row(0) == ("anna", 7)


def test_acknowledging_no_alarm_or_one_that_is_not_open_changes_nothing(story):
    it = story()
    it.acknowledge().check("refused")
    faulty(it)
    for ids, outcome_text in (
        ([], "Acknowledged no alarm."),
        (["P-0/low/1"], "Acknowledged no alarm. 1 refused: no longer open."),
    ):
        action = Acknowledge(id="1", alarms=ids, who="anna", at=1)
        after, changes, outcome = carry_out(it.alarms, action, subjects=it.subjects, rules=it.rules)
        assert after.equals(it.alarms)
        assert (changes["kind"].to_list(), outcome.text) == (["refused"], outcome_text)


def test_an_acknowledgment_can_be_withdrawn(story):
    it = story()
    faulty(it).act(Unacknowledge).outcome_is("Withdrew the acknowledgment of no alarm. 1 refused: not acknowledged.")
    it.acknowledge().act(Unacknowledge, "ben").check("unacknowledged low", low=UNACKNOWLEDGED)
    assert it.alarms["acknowledged_by"].to_list() == [None]


def test_a_latched_alarm_stays_open_until_it_is_reset(story):
    it = story(latch=True)
    faulty(it).acknowledge()
    it.act(Reset).check("refused", low=ACKNOWLEDGED).outcome_is(
        "Reset no alarm. 1 refused: its condition still stands."
    )
    healthy(it).check("returned low", low=LATCHED)
    it.act(Reset).check("reset low", "cleared low", low=CLEARED).outcome_is("Reset 1 alarm.")


def test_a_latched_alarm_must_be_acknowledged_before_it_is_reset_and_is_raised_again_if_it_recurs(story):
    it = story(latch=True)
    faulty(it)
    healthy(it).check("returned low", low=RETURNED)
    it.act(Reset).outcome_is("Reset no alarm. 1 refused: not acknowledged.")
    it.acknowledge().check("acknowledged low", low=LATCHED)
    faulty(it).check("raised low", low=UNACKNOWLEDGED)


def test_an_alarm_that_does_not_latch_cannot_be_reset(story):
    faulty(story()).act(Reset).outcome_is("Reset no alarm. 1 refused: not latching: it clears by itself.")


def test_a_shelved_alarm_is_not_annunciated_until_its_time_has_elapsed(story):
    it = story()
    faulty(it).shelve(2).check("shelved low", low=SHELVED).outcome_is("Shelved 1 alarm.")
    healthy(it).check("returned low", low=SHELVED)
    assert it.annunciated == []
    faulty(it).check("raised low", low=SHELVED)
    assert it.annunciated == []
    it.wait(1.9).check(low=SHELVED)
    it.wait(0.1).check("unshelved low", low=UNACKNOWLEDGED)
    assert it.annunciated == ["unshelved"]


def test_a_shelved_alarm_that_recurs_must_be_acknowledged_again(story):
    it = story()
    faulty(it).acknowledge().shelve(1)
    healthy(it).check("returned low", low=SHELVED)
    faulty(it).check("raised low", low=SHELVED)
    it.act(Unshelve).check("unshelved low", low=UNACKNOWLEDGED)


def test_a_shelved_alarm_that_was_acknowledged_and_returned_to_normal_clears_when_its_time_has_elapsed(story):
    it = story()
    healthy(faulty(it).acknowledge().shelve(1))
    it.wait(1).check("unshelved low", "cleared low", low=CLEARED)


def test_shelving_has_a_maximum_duration_and_requires_a_reason(story):
    it = story()
    faulty(it).shelve(4.1).check("refused", low=UNACKNOWLEDGED)
    it.outcome_is("Shelved no alarm. 1 refused: longer than the 4 h allowed for its priority.")
    it.shelve(1, why=" ").check("refused", low=UNACKNOWLEDGED)
    it.outcome_is("Shelved no alarm. Enter a reason or a text.")
    it.shelve(4).check("shelved low", low=SHELVED)
    assert it.alarms.select("shelved_by", "shelved_wall", "shelved_why").row(0) == ("anna", 7, "known since Monday")
    it.act(Unshelve).act(Unshelve).outcome_is("Unshelved no alarm. 1 refused: not shelved.")


def test_an_out_of_service_alarm_is_never_annunciated(story):
    it = story()
    faulty(it).shelve(1).act(OutOfService, why="sensor replaced").check("out_of_service low", low=OUT_OF_SERVICE)
    healthy(it).check("returned low", low=OUT_OF_SERVICE)
    faulty(it).check("raised low", low=OUT_OF_SERVICE)
    assert it.annunciated == []
    it.wait(1000).check(low=OUT_OF_SERVICE)
    it.shelve(1).outcome_is("Shelved no alarm. 1 refused: out of service.")
    it.act(InService, "ben").check("in_service low", low=UNACKNOWLEDGED)


def test_a_note_is_shown_with_the_alarm_and_changes_no_state(story):
    it = story()
    faulty(it).act(Note, why="called the ward").check("note low", low=UNACKNOWLEDGED)
    assert it.alarms.select("note", "note_by", "note_wall").row(0) == ("called the ward", "anna", 7)


def test_if_two_operators_act_at_the_same_time_the_second_learns_who_was_first(story):
    it = story()
    faulty(it).shelve(1, who="anna").acknowledge("ben").acknowledge("cleo")
    it.outcome_is("Acknowledged no alarm. 1 refused: already acknowledged by ben.")
    it.act(OutOfService, "dora", why="repair").act(OutOfService, "eva", why="repair")
    it.outcome_is("Took out of service no alarm. 1 refused: already taken out of service by dora.")


def test_ten_thousand_alarms_are_acknowledged_in_one_action(rule_of):
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
    standing = pl.DataFrame(rows, CONDITIONS)
    subjects = ward_of(serials)
    raised, _ = lifecycle.advance(
        lifecycle.no_alarms(), Conditions(standing, standing.clear()), now=0, subjects=subjects, rules=rules
    )
    action = Acknowledge(id="1", alarms=raised["alarm"].to_list(), who="anna", at=1)
    acknowledged, changes, outcome = carry_out(raised, action, subjects=subjects, rules=rules)
    assert (outcome.done, outcome.refused, changes.height) == (10_000, 0, 10_000)
    cleared, _ = lifecycle.advance(
        acknowledged, Conditions(standing.clear(), standing), now=0, subjects=subjects, rules=rules
    )
    assert cleared.height == 0
