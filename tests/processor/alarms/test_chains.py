"""Suppression: a consequence is suppressed by its cause, and annunciated if it outlasts it."""

from __future__ import annotations

import polars as pl

from broker.contract.actions import InService, OutOfService
from processor.alarms import lifecycle
from processor.alarms.hold import CONDITIONS, Conditions
from processor.alarms.states import LATCHED, OUT_OF_SERVICE, RETURNED, SHELVED, SUPPRESSED, UNACKNOWLEDGED
from processor.detectors.limit import limit
from tests.processor.story import SERIALS, Story, ward_of


def test_a_consequence_is_suppressed_by_a_cause_that_is_raised_later(chain):
    chain.sample(battery_v=3, flow_ul_h=1).check("raised effect", effect=UNACKNOWLEDGED)
    assert chain.suppressed_by() == {"effect": None}
    chain.sample(battery_v=1, flow_ul_h=1).check("raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    assert chain.annunciated == ["raised", "held"]
    assert chain.suppressed_by() == {"effect": "cause", "cause": None}


def test_a_consequence_is_annunciated_if_its_cause_returns_to_normal_first(chain):
    chain.sample(battery_v=1, flow_ul_h=1).check(
        "raised effect", "raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED
    )
    assert chain.annunciated == ["raised"]
    chain.sample(battery_v=3, flow_ul_h=1).check(
        "returned cause", "released effect", effect=UNACKNOWLEDGED, cause=RETURNED
    )
    assert chain.annunciated == ["returned", "released"]
    assert chain.suppressed_by() == {"effect": None, "cause": None}
    chain.acknowledge(rule="cause").check("acknowledged cause", "cleared cause", effect=UNACKNOWLEDGED)


def test_a_consequence_that_returns_to_normal_while_suppressed_clears_silently(chain):
    chain.sample(battery_v=1, flow_ul_h=1)
    chain.sample(battery_v=1, flow_ul_h=3).check("cleared effect", cause=UNACKNOWLEDGED)


def test_if_cause_and_consequence_return_to_normal_together_only_the_cause_awaits_acknowledgment(chain):
    chain.sample(battery_v=1, flow_ul_h=1)
    chain.sample(battery_v=3, flow_ul_h=3).check("returned cause", "cleared effect", cause=RETURNED)


def test_a_consequence_that_returned_to_normal_before_its_cause_was_raised_awaits_acknowledgment(chain):
    chain.sample(battery_v=3, flow_ul_h=1)
    chain.sample(battery_v=3, flow_ul_h=3).check("returned effect", effect=RETURNED)
    chain.sample(battery_v=1, flow_ul_h=3).check("raised cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    chain.sample(battery_v=3, flow_ul_h=3).check("returned cause", "released effect", effect=RETURNED, cause=RETURNED)
    assert chain.suppressed_by() == {"effect": None, "cause": None}


def test_a_cause_suppresses_nothing_on_another_pump(rule_of):
    rules = (rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",)), rule_of(None, "effect"))
    standing = pl.DataFrame(
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
        lifecycle.no_alarms(), Conditions(standing, standing.clear()), now=0, subjects=ward_of(SERIALS), rules=rules
    )
    assert raised["under"].to_list() == [None, None]


def test_of_two_rules_that_suppress_each_other_the_one_of_higher_priority_is_annunciated(rule_of):
    one = rule_of(limit("battery_v", below=2, span=1), "one", explains=("two",), priority="medium")
    two = rule_of(limit("flow_ul_h", below=2, span=1), "two", explains=("one",))
    it = Story((one, two)).sample(battery_v=1, flow_ul_h=3).sample(battery_v=1, flow_ul_h=1)
    assert it.suppressed_by() == {"one": "two", "two": None}


def test_of_several_causes_the_highest_priority_and_then_the_oldest_suppresses(rule_of):
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
    assert it.suppressed_by()["effect"] == "lesser"
    it.sample(flow_ul_h=1, reservoir_ml=1, motor_ma=1, battery_v=3).sample(flow_ul_h=1, motor_ma=1, battery_v=1)
    assert it.suppressed_by()["effect"] == "early"


def test_a_latching_consequence_that_returns_to_normal_while_suppressed_awaits_acknowledgment_and_reset(rule_of):
    cause = rule_of(limit("battery_v", below=2, span=1), "cause", explains=("effect",))
    it = Story((rule_of(limit("flow_ul_h", below=2, span=1), "effect", latch=True), cause))
    it.sample(battery_v=1, flow_ul_h=1).sample(battery_v=1, flow_ul_h=3)
    it.check("returned effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
    it.sample(battery_v=3, flow_ul_h=3).check("returned cause", "released effect", effect=RETURNED, cause=RETURNED)
    it.acknowledge(rule="effect").check("acknowledged effect", effect=LATCHED, cause=RETURNED)


def test_a_shelved_cause_still_suppresses_its_consequence_and_an_out_of_service_one_does_not(chain):
    chain.sample(battery_v=1, flow_ul_h=1)
    chain.wait(0.5).shelve(1, rule="cause").check("shelved cause", effect=SUPPRESSED, cause=SHELVED)
    chain.act(OutOfService, rule="cause", why="battery gauge broken").check(
        "out_of_service cause", "released effect", effect=UNACKNOWLEDGED, cause=OUT_OF_SERVICE
    )
    assert chain.times["released"] == chain.subjects.clocks[0]
    chain.act(InService, rule="cause").check("in_service cause", "held effect", effect=SUPPRESSED, cause=UNACKNOWLEDGED)
