"""What counts as found, as secondary, as false: one line an alarm, one line an injection, and the verdicts."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.cohorts import MEMBERS, cohort_name, members_of
from broker.store.journal import EVENTS_SCHEMA
from broker.truth import matching
from broker.truth.matching import EXPECTED, INJECTIONS, MS_PER_H, RAISED, match

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
    """Pump, fault, onset and end in hours."""
    told = [(pump, fault, 0.5, ms(onset), None if end is None else ms(end)) for pump, fault, onset, end in rows]
    return pl.DataFrame(told, INJECTIONS, orient="row")


def alarms(*rows: tuple[str, str, float] | tuple[str, str, float, float | None]) -> pl.DataFrame:
    """Pump, rule, hour at which it was raised, and, where given, at which it went away."""
    told = [
        (f"{row[0]}/{row[1]}", row[0], row[1], 1, ms(row[2]), ms(row[2]), ms(row[3]) if row[3:] and row[3] else None)
        for row in rows
    ]
    return pl.DataFrame(told, RAISED, orient="row")


def ms(hours: float) -> int:
    return round(hours * MS_PER_H)


def found(wrong: pl.DataFrame, raised: pl.DataFrame) -> matching.Matched:
    return match(wrong, raised, EXPECTATIONS, ms(NOW_H))


@pytest.mark.parametrize(
    ("rule", "at_h", "verdict"),
    [
        ("motor", 10.5, "right"),
        ("motor", 10.0, "right"),
        ("flow", 11.0, "accepted"),
        ("catheter", 11.0, "secondary"),
        ("motor", 9.9, "false"),
        ("motor", 21.9, "right"),
        ("motor", 22.1, "secondary"),
        ("battery", 43.9, "secondary"),
        ("motor", 44.1, "false"),
    ],
)
def test_an_alarm_is_judged_by_its_rule_and_by_when_it_came(rule, at_h, verdict):
    judged = found(injections(("A", "stall", 10, 20)), alarms(("A", rule, at_h)))
    assert judged.alarms["verdict"].to_list() == [verdict]
    assert judged.injections["detected"].to_list() == [verdict in {"right", "accepted"}]
    assert judged.injections["right_cause"].to_list() == [verdict == "right"]


def test_an_alarm_on_another_pump_is_false_and_finds_nothing():
    judged = found(injections(("A", "stall", 10, None)), alarms(("B", "motor", 11)))
    assert judged.alarms["verdict"].to_list() == ["false"]
    assert judged.injections["detected"].to_list() == [False]


def test_each_time_an_alarm_is_raised_counts():
    judged = found(injections(), alarms(("A", "motor", 1, 2), ("A", "motor", 3, 4)))
    assert judged.alarms["verdict"].to_list() == ["false", "false"]


def test_the_delay_counts_to_the_first_alarm_and_that_of_the_cause_to_its_own():
    raised = alarms(("A", "motor", 13), ("A", "flow", 12), ("A", "motor", 15))
    case = found(injections(("A", "stall", 10, 20)), raised).injections.row(0, named=True)
    assert (case["delay_h"], case["right_delay_h"]) == pytest.approx((2.0, 3.0))
    assert case["by"] == "flow"


def test_of_two_faults_at_once_each_is_found_on_its_own_and_one_alarm_may_find_both():
    wrong = injections(("A", "stall", 10, 20), ("A", "clot", 12, 20))
    both = found(wrong, alarms(("A", "flow", 13)))
    assert both.injections["detected"].to_list() == [True, True]
    one = found(wrong, alarms(("A", "catheter", 13)))
    assert one.injections["detected"].to_list() == [False, True]
    assert one.alarms["verdict"].to_list() == ["right"]


def test_an_alarm_that_stands_for_one_fault_finds_the_next_without_a_delay():
    wrong = injections(("A", "stall", 10, 20), ("A", "clot", 15, 30))
    standing = found(wrong, alarms(("A", "flow", 11))).injections
    assert standing["detected"].to_list() == [True, True]
    assert standing["delay_h"].to_list() == [pytest.approx(1.0), None]
    over = found(wrong, alarms(("A", "flow", 11, 14))).injections
    assert over["detected"].to_list() == [True, False]


def test_a_false_alarm_that_stands_finds_nothing():
    judged = found(injections(("A", "stall", 10, 20)), alarms(("A", "flow", 9)))
    assert judged.injections["detected"].to_list() == [False]
    assert judged.alarms["verdict"].to_list() == ["false"]


def test_an_alarm_held_under_another_has_found_the_fault_but_did_not_announce_it():
    held = alarms(("A", "motor", 11), ("A", "flow", 12)).with_columns(
        pl.when(rule="flow").then(pl.col("shown")).alias("shown")
    )
    case = found(injections(("A", "stall", 10, 20)), held).injections.row(0, named=True)
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
def test_what_is_younger_than_its_deadline_is_undecided_as_long_as_it_goes_on(fault, onset_h, end_h, undecided):
    judged = found(injections(("A", fault, onset_h, end_h)), alarms())
    assert judged.injections["undecided"].to_list() == [undecided]


def test_a_fault_that_waits_for_a_refill_begins_with_it_and_ends_with_the_refill_after_its_own_end():
    refills = pl.DataFrame({"pump": ["A", "A", "A", "B"], "time": [ms(12), ms(15), ms(40), ms(70)]})
    wrong = injections(("A", "stall", 10, 20), ("B", "stall", 10, 20), ("B", "clot", 60, None), ("C", "stall", 1, None))
    bitten = matching.bite_at_refill(wrong, refills)
    assert bitten.select("pump", "fault", "onset").rows() == [("A", "stall", ms(12)), ("B", "clot", ms(70))]
    stayed = matching.stay_until_refill(bitten, refills).sort("pump")
    assert stayed.select("onset", "end").rows() == [(ms(12), ms(40)), (ms(70), None)]


def test_nothing_at_all_is_matched_with_nothing():
    judged = found(injections(), alarms())
    assert (judged.injections.height, judged.alarms.height) == (0, 0)


def events(*rows: tuple[str, str, int, str | None]) -> pl.DataFrame:
    """Kind, alarm, time and cause, as the journal has them."""
    told = [{"kind": kind, "alarm": alarm, "time": time, "cause": cause} for kind, alarm, time, cause in rows]
    usual = {"pump": "A", "rule": "motor", "priority": 1}
    return pl.DataFrame([{**usual, **row} for row in told], schema=EVENTS_SCHEMA)


def test_alarms_are_read_from_the_journal_in_whatever_order_it_gives_them():
    told = [
        ("cleared", "1", 90, None),
        ("returned", "1", 80, None),
        ("acknowledged", "1", 75, None),
        ("raised", "1", 70, None),
        ("returned", "1", 50, None),
        ("raised", "1", 10, None),
        ("raised", "2", 20, "motor_stall"),
        ("raised", "3", 30, None),
        ("held", "3", 30, "motor_stall"),
        ("released", "3", 60, None),
        ("raised", "4", 95, None),
    ]
    found = matching.raised_by(events(*told)).select("alarm", "raised", "shown", "returned").rows()
    assert found == [
        ("1", 10, 10, 50),
        ("2", 20, None, None),
        ("3", 30, 60, None),
        ("1", 70, 70, 80),
        ("4", 95, 95, None),
    ]


def test_an_empty_journal_has_no_alarms():
    assert matching.raised_by(events()).rows() == []


LOT = pl.DataFrame([("lot L1", f"P{n}") for n in range(4)], MEMBERS, orient="row")


@pytest.mark.parametrize(
    ("rule", "wrong", "at_h", "verdict"),
    [
        ("flow", [("P1", "stall")], 11.0, "accepted"),
        ("motor", [("P1", "stall"), ("P2", "stall")], 11.0, "right"),
        ("flow", [("P1", "stall"), ("P2", "wear")], 11.0, "accepted"),
        ("catheter", [("P1", "stall")], 11.0, "false"),
        ("flow", [("elsewhere", "stall")], 11.0, "false"),
        ("flow", [("P1", "stall")], 9.0, "false"),
    ],
)
def test_an_alarm_of_a_cohort_is_judged_by_what_is_wrong_with_its_pumps(rule, wrong, at_h, verdict):
    told = injections(*((pump, fault, 10, 20) for pump, fault in wrong))
    judged = match(told, alarms(("lot L1", rule, at_h)), EXPECTATIONS, ms(NOW_H), LOT)
    assert judged.alarms["verdict"].to_list() == [verdict]


WARD = pl.DataFrame([("ward", f"P{n}") for n in range(10)], MEMBERS, orient="row")


def of_ward(fault: str, count: int, end: float | None = 20) -> list[tuple[str, str, float, float | None]]:
    return [(f"P{n}", fault, 10, end) for n in range(count)]


@pytest.mark.parametrize(
    ("wrong", "at_h", "verdict"),
    [
        (of_ward("outage", 10), 10.2, "right"),
        (of_ward("outage", 5), 10.2, "right"),
        (of_ward("outage", 4), 10.2, "false"),
        (of_ward("outage", 10), 9.9, "false"),
        (of_ward("outage", 10), 22.1, "false"),
        (of_ward("mute", 5), 10.2, "accepted"),
        (of_ward("mute", 4), 10.2, "false"),
        ([*of_ward("mute", 3), ("P8", "outage", 10, 20), ("P9", "outage", 10, 20)], 10.2, "right"),
        (of_ward("hoarse", 10), 10.2, "false"),
        (of_ward("stall", 10), 10.2, "false"),
        ([], 10.2, "false"),
    ],
)
def test_that_a_gateway_is_silent_is_right_where_enough_of_its_pumps_were_made_silent_and_else_false(
    wrong, at_h, verdict
):
    judged = match(injections(*wrong), alarms(("ward", "gateway_silent", at_h)), EXPECTATIONS, ms(NOW_H), WARD)
    assert judged.alarms["verdict"].to_list() == [verdict]
    assert judged.injections["detected"].sum() == (len(wrong) if verdict in {"right", "accepted"} else 0)


@pytest.mark.parametrize(("cut", "verdict"), [(10, "right"), (9, "right"), (8, "false")])
def test_that_the_fleet_is_silent_is_right_where_nearly_all_pumps_are_cut_off(cut, verdict):
    fleet = members_of(
        pl.DataFrame({"pump": WARD["pump"], "model": "M", "lot": "L", "gateway": ["one"] * 5 + ["two"] * 5})
    )
    told = injections(*of_ward("outage", cut))
    judged = match(told, alarms(("fleet", "fleet_silent", 10.3)), EXPECTATIONS, ms(NOW_H), fleet)
    assert judged.alarms["verdict"].to_list() == [verdict]


def test_an_alarm_of_a_cohort_finds_every_pump_of_it_that_has_what_it_is_for():
    told = injections(("P1", "stall", 10, 20), ("P2", "stall", 10.5, 20), ("elsewhere", "stall", 10, 20))
    judged = match(told, alarms(("lot L1", "motor", 11)), EXPECTATIONS, ms(NOW_H), LOT).injections
    assert judged["detected"].to_list() == [True, True, False]
    assert judged["delay_h"].to_list() == pytest.approx([1.0, 0.5, None])


def test_an_alarm_of_a_cohort_of_which_few_pumps_fail_found_them_by_chance():
    many = pl.DataFrame([("lot L1", f"P{n}") for n in range(40)], MEMBERS, orient="row")
    told = injections(*((f"P{n}", "stall", 10, 20) for n in range(9)))
    judged = match(told, alarms(("lot L1", "motor", 11)), EXPECTATIONS, ms(NOW_H), many)
    assert judged.alarms["verdict"].to_list() == ["false"]
    assert not judged.injections["detected"].any()


def test_pumps_are_in_the_cohorts_of_their_model_their_lot_and_their_gateway_and_in_the_fleet():
    pumps = pl.DataFrame({"pump": ["P1", "P2"], "model": ["M", "M"], "lot": ["L1", None], "gateway": ["ward", "ward"]})
    assert sorted(members_of(pumps).rows()) == [
        ("fleet", "P1"),
        ("fleet", "P2"),
        ("lot L1", "P1"),
        ("model M", "P1"),
        ("model M", "P2"),
        ("ward", "P1"),
        ("ward", "P2"),
    ]


def test_a_cohort_has_no_slash_in_its_name_and_a_short_one():
    named = pl.select(cohort_name("model", pl.lit("20/40 mL " + "x" * 100))).item()
    assert (named[:15], len(named)) == ("model 20-40 mL ", 66)


def test_whom_an_alarm_is_about_that_is_no_pump_is_read_from_its_id():
    told = pl.DataFrame(
        [
            {
                "kind": "raised",
                "alarm": f"{subject}/drift/{time}",
                "subject": subject,
                "pump": None,
                "rule": "drift",
                "priority": 2,
                "time": time,
            }
            for subject, time in (("lot L1", 10), ("model 20 mL, revision A", 20), ("system", -5))
        ]
    )
    whole = pl.concat([pl.DataFrame(schema=EVENTS_SCHEMA), told], how="diagonal_relaxed")
    assert sorted(matching.raised_by(whole)["pump"]) == ["lot L1", "model 20 mL, revision A", "system"]
