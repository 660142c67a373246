"""Causes of motor alarms, each in its own situation: five-minute windows after a healthy hour."""

from __future__ import annotations

import pytest

from processor.detectors.motor import motor
from processor.rules import motor as rules

HEALTHY, LONG = 12, 36
"""Windows before anything happens, and after."""
MOTOR = tuple(rule for rule in rules.RULES if rule.detector.family == "motor")
STALLS_OFTEN = "1x3 0x9 1x3 0x9 1x3 0x9"
TURNS_BETWEEN = "0x3 8x9 0x3 8x9 0x3 8x9"


@pytest.fixture(scope="module")
def after_an_hour(stream):
    """Make a pump that delivers 8 µL/h as commanded at 2.5 mA, and then this."""

    def make(
        motor_ul_h: str, motor_ma: str, flags: str = f"0x{LONG}", *, commanded_ul_h: str = "8", every_s: int = 300
    ):
        return stream(
            "motor_ul_h",
            f"8x{HEALTHY} {motor_ul_h}",
            motor_ma=f"2.5x{HEALTHY} {motor_ma}",
            flags=f"0x{HEALTHY} {flags}",
            commanded_ul_h=commanded_ul_h,
            every_s=every_s,
        )

    return make


@pytest.fixture(scope="module")
def alarms(after_an_hour, raised):
    stands, idle, turns, normal = f"0x{LONG}", f"0x{LONG}", f"8x{LONG}", f"2.5x{LONG}"
    situations = {
        "turns": after_an_hour(turns, normal),
        "program steps": after_an_hour("16x12 4x12 8x12", normal, commanded_ul_h=f"8x{HEALTHY} 16x12 4x12 8x12"),
        "stands, current high": after_an_hour(stands, f"6x{LONG}"),
        "stands, reports a stall": after_an_hour(stands, normal, f"1x{LONG}"),
        "turns a quarter less, current high": after_an_hour(f"6x{LONG}", f"4x{LONG}"),
        "stands idle": after_an_hour(stands, idle),
        "turns a quarter less, current normal": after_an_hour(f"6x{LONG}", normal),
        "stuck in telemetry mode": after_an_hour(stands, idle, f"4x{LONG}"),
        "stands idle after a scan": after_an_hour(stands, idle, "128x6 0x30"),
        "stands after a scan, current high": after_an_hour(stands, f"6x{LONG}", "128x6 0x30"),
        "stuck in telemetry mode after a scan": after_an_hour(stands, idle, "128x6 4x30"),
        "stands only in the field": after_an_hour("0x6 8x30", "0x6 2.5x30", "128x6 0x30"),
        "stands after a reset": after_an_hour(stands, idle, f"2x{LONG}"),
        "stands at end of service": after_an_hour(stands, idle, f"32x{LONG}"),
        "stalls repeatedly": after_an_hour(TURNS_BETWEEN, "6x3 2.5x9 " * 3, STALLS_OFTEN),
        "hesitates for five minutes": after_an_hour("0 8x35", "6 2.5x35", "1 0x35"),
        "stood with high current, turns again": after_an_hour("0x12 8x24", "6x12 2.5x24"),
        "reported a stall, turns again": after_an_hour("0x12 8x24", normal, "1x12 0x24"),
        "stood idle, turns again": after_an_hour("0x12 8x24", "0x12 2.5x24"),
        "current erratic": after_an_hour(turns, "9 2 12 4 15 3 " * 6),
        "current erratic in a scanner": after_an_hour(turns, "9 2 12 4 15 3 " * 6, f"128x{LONG}"),
        "current steps once": after_an_hour(turns, f"9x{LONG}"),
        "flow unknown": after_an_hour(f"?x{LONG}", f"?x{LONG}"),
    }
    return raised(MOTOR, situations)


@pytest.mark.parametrize(
    ("situation", "cause"),
    [
        ("stands, current high", "motor_stall"),
        ("stands, reports a stall", "motor_stall"),
        ("turns a quarter less, current high", "motor_stall"),
        ("stands idle", "motor_not_driven"),
        ("turns a quarter less, current normal", "motor_not_driven"),
        ("stuck in telemetry mode", "motor_not_driven"),
        ("stands idle after a scan", "motor_after_mri"),
        ("stands after a scan, current high", "motor_stall"),
        ("stood with high current, turns again", "motor_stall"),
        ("reported a stall, turns again", "motor_stall"),
        ("stood idle, turns again", "motor_not_driven"),
        ("stuck in telemetry mode after a scan", "motor_not_driven"),
        ("stalls repeatedly", "motor_intermittent"),
        ("current erratic", "feedthrough_short"),
    ],
)
def test_each_situation_raises_exactly_its_own_cause(alarms, situation, cause):
    assert alarms[situation] == {cause}


@pytest.mark.parametrize(
    "situation",
    [
        "turns",
        "program steps",
        "stands only in the field",
        "stands after a reset",
        "stands at end of service",
        "hesitates for five minutes",
        "current erratic in a scanner",
        "current steps once",
        "flow unknown",
    ],
)
def test_a_motor_that_turns_or_stands_for_a_known_reason_raises_no_alarm(alarms, situation):
    assert alarms[situation] == set()


def test_an_mri_scan_explains_a_standing_motor_for_27_hours(stream, trace):
    stands = stream(
        "motor_ul_h", "8 8 0x29", motor_ma="2.5x2 0x29", commanded_ul_h="8", flags="0 0 128 0x28", every_s=3600
    )
    after_mri, not_driven = trace(motor("after MRI"), stands), trace(motor("not driven"), stands)
    assert [score >= 1 for score in after_mri] == [False] * 3 + [True] * 27 + [False]
    assert [score >= 1 for score in not_driven] == [False] * 30 + [True]


def test_two_stalls_a_day_apart_are_not_intermittent(stream, trace):
    day_apart = stream(
        "motor_ul_h", "8 0 8x23 0 8", motor_ma="2.5", commanded_ul_h="8", flags="0 1 0x23 1 0", every_s=3600
    )
    assert max(trace(motor("intermittent"), day_apart)) < 1
    hours_apart = stream(
        "motor_ul_h", "8 0 8x5 0 8", motor_ma="2.5", commanded_ul_h="8", flags="0 1 0x5 1 0", every_s=3600
    )
    assert max(trace(motor("intermittent"), hours_apart)) >= 1


def test_a_hesitating_rotor_is_one_episode(stream, trace):
    hesitates = stream("motor_ul_h", "8 0 5 0 5 0 8", motor_ma="2.5", commanded_ul_h="8", flags="0 1 1 1 1 1 0")
    assert trace(motor("intermittent"), hesitates, "episodes")[-1] == pytest.approx(1, abs=0.01)


def test_the_current_of_a_standing_motor_does_not_become_its_baseline(stream, trace):
    strains = stream("motor_ul_h", "8x3 0x5", motor_ma="2.5x3 6x5", commanded_ul_h="8", every_s=3600)
    assert trace(motor("stall"), strains, "usual_ma") == pytest.approx([2.5] * 8)


def test_the_lowest_flow_is_also_judged_by_its_share(stream, trace):
    trickle = stream("motor_ul_h", "0.2x3 0.1x9", motor_ma="2.5", commanded_ul_h="0.2", every_s=300)
    assert trace(motor("not driven"), trickle)[-1] == pytest.approx(0.5 / 0.12, rel=0.1)
