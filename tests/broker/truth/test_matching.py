"""Verdicts on alarms and injections: correct, accepted, secondary, false; detected, missed, undecided."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.cohorts import MEMBERS, members_of
from broker.truth.alarm_history import RAISED
from broker.truth.expectations import EXPECTED
from broker.truth.injections import INJECTIONS, MS_PER_H
from broker.truth.matching import Matched, match

EXPECTATIONS = pl.DataFrame(
    [
        ("stall", "motor", True, 1.0, 0.0),
        ("stall", "flow", False, 2.0, 0.0),
        ("clot", "catheter", True, 3.0, 0.0),
        ("clot", "flow", False, 2.0, 0.0),
        ("wear", "flow", False, 24.0, 0.0),
        ("outage", "gateway_silent", True, 0.25, 0.0),
        ("outage", "fleet_silent", True, 0.25, 0.0),
        ("mute", "pump_silent", True, 0.5, 0.0),
        ("mute", "gateway_silent", False, 0.25, 0.5),
        ("hoarse", "gateway_silent", False, 0.25, 0.6),
    ],
    EXPECTED,
    orient="row",
)
NOW_H = 100


def injections(*rows: tuple[str, str, float, float | None]) -> pl.DataFrame:
    """Return injections from pump, fault, onset and end in hours."""
    cases = [(pump, fault, 0.5, ms(onset), None if end is None else ms(end)) for pump, fault, onset, end in rows]
    return pl.DataFrame(cases, INJECTIONS, orient="row")


def alarms(*rows: tuple[str, str, float] | tuple[str, str, float, float | None]) -> pl.DataFrame:
    """Return alarms from pump, rule, the hour each was raised and, if given, the hour it returned to normal."""
    raised = [
        (f"{row[0]}/{row[1]}", row[0], row[1], 1, ms(row[2]), ms(row[2]), ms(row[3]) if row[3:] and row[3] else None)
        for row in rows
    ]
    return pl.DataFrame(raised, RAISED, orient="row")


def ms(hours: float) -> int:
    return round(hours * MS_PER_H)


def matched(faults: pl.DataFrame, raised: pl.DataFrame) -> Matched:
    return match(faults, raised, EXPECTATIONS, ms(NOW_H))


@pytest.mark.parametrize(
    ("rule", "at_h", "verdict"),
    [
        ("motor", 10.5, "correct"),
        ("motor", 10.0, "correct"),
        ("flow", 11.0, "accepted"),
        ("catheter", 11.0, "secondary"),
        ("motor", 9.9, "false"),
        ("motor", 21.9, "correct"),
        ("motor", 22.1, "secondary"),
        ("battery", 43.9, "secondary"),
        ("motor", 44.1, "false"),
    ],
)
def test_the_verdict_depends_on_the_rule_and_on_when_the_alarm_was_raised(rule, at_h, verdict):
    result = matched(injections(("A", "stall", 10, 20)), alarms(("A", rule, at_h)))
    assert result.alarms["verdict"].to_list() == [verdict]
    assert result.injections["detected"].to_list() == [verdict in {"correct", "accepted"}]
    assert result.injections["right_cause"].to_list() == [verdict == "correct"]


def test_an_alarm_on_another_pump_is_false_and_detects_nothing():
    result = matched(injections(("A", "stall", 10, None)), alarms(("B", "motor", 11)))
    assert result.alarms["verdict"].to_list() == ["false"]
    assert result.injections["detected"].to_list() == [False]


def test_an_alarm_counts_each_time_it_is_raised():
    result = matched(injections(), alarms(("A", "motor", 1, 2), ("A", "motor", 3, 4)))
    assert result.alarms["verdict"].to_list() == ["false", "false"]


def test_time_to_detect_ends_at_the_first_alarm_and_time_to_the_cause_at_the_first_correct_one():
    raised = alarms(("A", "motor", 13), ("A", "flow", 12), ("A", "motor", 15))
    case = matched(injections(("A", "stall", 10, 20)), raised).injections.row(0, named=True)
    assert (case["delay_h"], case["right_delay_h"]) == pytest.approx((2.0, 3.0))
    assert case["by"] == "flow"


def test_overlapping_faults_are_matched_separately_and_one_alarm_may_detect_both():
    faults = injections(("A", "stall", 10, 20), ("A", "clot", 12, 20))
    by_flow = matched(faults, alarms(("A", "flow", 13)))
    assert by_flow.injections["detected"].to_list() == [True, True]
    by_catheter = matched(faults, alarms(("A", "catheter", 13)))
    assert by_catheter.injections["detected"].to_list() == [False, True]
    assert by_catheter.alarms["verdict"].to_list() == ["correct"]


def test_an_alarm_that_stands_for_one_fault_detects_the_next_without_a_delay():
    faults = injections(("A", "stall", 10, 20), ("A", "clot", 15, 30))
    standing = matched(faults, alarms(("A", "flow", 11))).injections
    assert standing["detected"].to_list() == [True, True]
    assert standing["delay_h"].to_list() == [pytest.approx(1.0), None]
    returned = matched(faults, alarms(("A", "flow", 11, 14))).injections
    assert returned["detected"].to_list() == [True, False]


def test_a_standing_false_alarm_detects_nothing():
    result = matched(injections(("A", "stall", 10, 20)), alarms(("A", "flow", 9)))
    assert result.injections["detected"].to_list() == [False]
    assert result.alarms["verdict"].to_list() == ["false"]


def test_a_suppressed_alarm_detects_the_fault_but_does_not_announce_it():
    raised = alarms(("A", "motor", 11), ("A", "flow", 12)).with_columns(
        pl.when(rule="flow").then(pl.col("shown")).alias("shown")
    )
    case = matched(injections(("A", "stall", 10, 20)), raised).injections.row(0, named=True)
    assert (case["detected"], case["right_cause"], case["announced"], case["right_announced"]) == (
        True,
        True,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("fault", "onset_h", "end_h", "undecided"),
    [("stall", 99.5, None, True), ("stall", 98.5, None, False), ("stall", 99.5, 99.9, False), ("wear", 80, None, True)],
)
def test_a_young_injection_is_undecided_while_it_continues(fault, onset_h, end_h, undecided):
    result = matched(injections(("A", fault, onset_h, end_h)), alarms())
    assert result.injections["undecided"].to_list() == [undecided]


def test_no_injections_and_no_alarms_give_empty_tables():
    result = matched(injections(), alarms())
    assert (result.injections.height, result.alarms.height) == (0, 0)


LOT = pl.DataFrame([("lot L1", f"P{n}") for n in range(4)], MEMBERS, orient="row")


@pytest.mark.parametrize(
    ("rule", "faults", "at_h", "verdict"),
    [
        ("flow", [("P1", "stall")], 11.0, "accepted"),
        ("motor", [("P1", "stall"), ("P2", "stall")], 11.0, "correct"),
        ("flow", [("P1", "stall"), ("P2", "wear")], 11.0, "accepted"),
        ("catheter", [("P1", "stall")], 11.0, "false"),
        ("flow", [("elsewhere", "stall")], 11.0, "false"),
        ("flow", [("P1", "stall")], 9.0, "false"),
    ],
)
def test_a_cohort_alarm_is_judged_by_the_injections_on_its_pumps(rule, faults, at_h, verdict):
    cases = injections(*((pump, fault, 10, 20) for pump, fault in faults))
    result = match(cases, alarms(("lot L1", rule, at_h)), EXPECTATIONS, ms(NOW_H), LOT)
    assert result.alarms["verdict"].to_list() == [verdict]


WARD = pl.DataFrame([("ward", f"P{n}") for n in range(10)], MEMBERS, orient="row")


def of_ward(fault: str, count: int, end: float | None = 20) -> list[tuple[str, str, float, float | None]]:
    return [(f"P{n}", fault, 10, end) for n in range(count)]


@pytest.mark.parametrize(
    ("faults", "at_h", "verdict"),
    [
        (of_ward("outage", 10), 10.2, "correct"),
        (of_ward("outage", 5), 10.2, "correct"),
        (of_ward("outage", 4), 10.2, "false"),
        (of_ward("outage", 10), 9.9, "false"),
        (of_ward("outage", 10), 22.1, "false"),
        (of_ward("mute", 5), 10.2, "accepted"),
        (of_ward("mute", 4), 10.2, "false"),
        ([*of_ward("mute", 3), ("P8", "outage", 10, 20), ("P9", "outage", 10, 20)], 10.2, "correct"),
        (of_ward("hoarse", 10), 10.2, "false"),
        (of_ward("stall", 10), 10.2, "false"),
        ([], 10.2, "false"),
    ],
)
def test_a_silent_gateway_alarm_is_false_unless_enough_of_its_pumps_are_silent_by_injection(faults, at_h, verdict):
    result = match(injections(*faults), alarms(("ward", "gateway_silent", at_h)), EXPECTATIONS, ms(NOW_H), WARD)
    assert result.alarms["verdict"].to_list() == [verdict]
    assert result.injections["detected"].sum() == (len(faults) if verdict in {"correct", "accepted"} else 0)


@pytest.mark.parametrize(("disconnected", "verdict"), [(10, "correct"), (9, "correct"), (8, "false")])
def test_a_silent_fleet_alarm_is_correct_if_nearly_all_pumps_are_disconnected(disconnected, verdict):
    fleet = members_of(
        pl.DataFrame({"pump": WARD["pump"], "model": "M", "lot": "L", "gateway": ["one"] * 5 + ["two"] * 5})
    )
    faults = injections(*of_ward("outage", disconnected))
    result = match(faults, alarms(("fleet", "fleet_silent", 10.3)), EXPECTATIONS, ms(NOW_H), fleet)
    assert result.alarms["verdict"].to_list() == [verdict]


def test_a_cohort_alarm_detects_every_injection_in_the_cohort_that_expects_its_rule():
    faults = injections(("P1", "stall", 10, 20), ("P2", "stall", 10.5, 20), ("elsewhere", "stall", 10, 20))
    result = match(faults, alarms(("lot L1", "motor", 11)), EXPECTATIONS, ms(NOW_H), LOT).injections
    assert result["detected"].to_list() == [True, True, False]
    assert result["delay_h"].to_list() == pytest.approx([1.0, 0.5, None])


def test_a_cohort_alarm_is_false_if_only_a_few_pumps_of_the_cohort_are_faulty():
    large_lot = pl.DataFrame([("lot L1", f"P{n}") for n in range(40)], MEMBERS, orient="row")
    faults = injections(*((f"P{n}", "stall", 10, 20) for n in range(9)))
    result = match(faults, alarms(("lot L1", "motor", 11)), EXPECTATIONS, ms(NOW_H), large_lot)
    assert result.alarms["verdict"].to_list() == ["false"]
    assert not result.injections["detected"].any()
