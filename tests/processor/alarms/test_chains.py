"""Which alarm people see when one explains the other, told as stories."""

from __future__ import annotations

import polars as pl

from broker.contract.actions import InService, OutOfService
from processor.alarms import lifecycle
from processor.alarms.hold import CONDITIONS, Conditions
from processor.alarms.states import LATCHED, OUT_OF_SERVICE, RETURNED, SHELVED, SUPPRESSED, UNACKNOWLEDGED
from processor.detectors.limit import limit
from tests.processor.story import SERIALS, Story, ward_of


def test_a_consequence_is_held_under_its_cause_that_came_later(tale):
    tale.sample(battery_v=3, flow_ul_h=1).check("raised effect", effect=UNACKNOWLEDGED)
    assert tale.shown() == {"effect": None}
    tale.sample(battery_v=1, flow_ul_h=1).check("raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    assert tale.annunciated == ["raised", "held"]
    assert tale.shown() == {"effect": "cause", "cause": None}


def test_a_consequence_comes_back_when_the_cause_goes_first(tale):
    tale.sample(battery_v=1, flow_ul_h=1).check(
        "raised effect", "raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED
    )
    assert tale.annunciated == ["raised"]
    tale.sample(battery_v=3, flow_ul_h=1).check(
        "returned cause", "released effect", effect=UNACKNOWLEDGED, cause=RETURNED
    )
    assert tale.annunciated == ["returned", "released"]
    assert tale.shown() == {"effect": None, "cause": None}
    tale.acknowledge(rule="cause").check("acknowledged cause", "cleared cause", effect=UNACKNOWLEDGED)


def test_a_consequence_that_ends_under_its_cause_ends_silently(tale):
    tale.sample(battery_v=1, flow_ul_h=1)
    tale.sample(battery_v=1, flow_ul_h=3).check("cleared effect", cause=UNACKNOWLEDGED)


def test_cause_and_consequence_that_end_together_leave_only_the_cause_to_be_seen(tale):
    tale.sample(battery_v=1, flow_ul_h=1)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned cause", "cleared effect", cause=RETURNED)


def test_a_consequence_that_ended_before_its_cause_came_waits_to_be_seen(tale):
    tale.sample(battery_v=3, flow_ul_h=1)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned effect", effect=RETURNED)
    tale.sample(battery_v=1, flow_ul_h=3).check("raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    tale.sample(battery_v=3, flow_ul_h=3).check("returned cause", "released effect", effect=RETURNED, cause=RETURNED)
    assert tale.shown() == {"effect": None, "cause": None}


def test_a_cause_holds_nothing_on_another_pump(rule_of):
    rules = (rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",)), rule_of(None, "effect"))
    seen = pl.DataFrame(
        {
            "pump": [0, 1],
            "gateway": [None, None],
            "other": [None, None],
            "other_kind": [None, None],
            "rule": ["cause", "effect"],
            "onset": 5,
            "time": 6,
            "score": 1.0,
        },
        CONDITIONS,
    )
    raised, _ = lifecycle.advance(
        lifecycle.no_alarms(), Conditions(seen, seen.clear()), now=0, subjects=ward_of(SERIALS), rules=rules
    )
    assert raised["under"].to_list() == [None, None]


def test_of_two_rules_that_explain_each_other_the_graver_one_is_shown(rule_of):
    one = rule_of(limit("battery_v", below=2, span=1), "one", explains=("two",), priority="medium")
    two = rule_of(limit("flow_ul_h", below=2, span=1), "two", explains=("one",))
    it = Story((one, two)).sample(battery_v=1, flow_ul_h=3).sample(battery_v=1, flow_ul_h=1)
    assert it.shown() == {"one": "two", "two": None}


def test_of_several_causes_the_gravest_and_then_the_oldest_is_named(rule_of):
    effect = rule_of(limit("flow_ul_h", below=2, span=1), "effect")
    lesser, early, late = (
        rule_of(limit(signal, below=2, span=1), name, explains=("effect",), priority=priority)
        for name, signal, priority in (
            ("lesser", "reservoir_ml", "low"),
            ("early", "motor_ma", "high"),
            ("late", "battery_v", "high"),
        )
    )
    it = Story((effect, lesser, late, early))
    it.sample(flow_ul_h=1, reservoir_ml=1, motor_ma=3, battery_v=3)
    assert it.shown()["effect"] == "lesser"
    it.sample(flow_ul_h=1, reservoir_ml=1, motor_ma=1, battery_v=3).sample(flow_ul_h=1, motor_ma=1, battery_v=1)
    assert it.shown()["effect"] == "early"


def test_a_latched_consequence_that_ends_under_its_cause_waits_to_be_seen_and_reset(rule_of):
    cause = rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",))
    it = Story((rule_of(limit("flow_ul_h", below=2, span=1), "effect", latch=True), cause))
    it.sample(battery_v=1, flow_ul_h=1).sample(battery_v=1, flow_ul_h=3)
    it.check("returned effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    it.sample(battery_v=3, flow_ul_h=3).check("returned cause", "released effect", effect=RETURNED, cause=RETURNED)
    it.acknowledge(rule="effect").check("acknowledged effect", effect=LATCHED, cause=RETURNED)


def test_a_cause_that_is_out_of_service_explains_nothing_and_a_shelved_one_still_does(tale):
    tale.sample(battery_v=1, flow_ul_h=1)
    tale.wait(0.5).shelve(1, rule="cause").check("shelved cause", effect=SUPPRESSED, cause=SHELVED)
    tale.act(OutOfService, rule="cause", why="battery gauge broken").check(
        "out_of_service cause", "released effect", effect=UNACKNOWLEDGED, cause=OUT_OF_SERVICE
    )
    assert tale.times["released"] == tale.subjects.clocks[0]
    tale.act(InService, rule="cause").check("in_service cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
