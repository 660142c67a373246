"""The motor's causes, each in its own situation: five-minute windows of a pump that turned well for an hour."""

from __future__ import annotations

import pytest

from processor.detectors.motor import motor
from processor.rules import motor as rules

WELL, LONG = 12, 36
"""Windows before anything happens, and after."""
MOTOR = tuple(rule for rule in rules.RULES if rule.detector.family == "motor")
STALLS_OFTEN = "1x3 0x9 1x3 0x9 1x3 0x9"
TURNS_BETWEEN = "0x3 8x9 0x3 8x9 0x3 8x9"


@pytest.fixture(scope="module")
def after_an_hour(stream):
    """A pump that turns 8 µL/h as commanded and draws 2.5 mA, and then this."""

    def make(
        motor_ul_h: str, motor_ma: str, flags: str = f"0x{LONG}", *, commanded_ul_h: str = "8", every_s: int = 300
    ):
        return stream(
            "motor_ul_h",
            f"8x{WELL} {motor_ul_h}",
            motor_ma=f"2.5x{WELL} {motor_ma}",
            flags=f"0x{WELL} {flags}",
            commanded_ul_h=commanded_ul_h,
            every_s=every_s,
        )

    return make


@pytest.fixture(scope="module")
def alarms(after_an_hour, raised):
    stands, idle, turns, usual = f"0x{LONG}", f"0x{LONG}", f"8x{LONG}", f"2.5x{LONG}"
    situations = {
        "it turns": after_an_hour(turns, usual),
        "the program takes steps": after_an_hour("16x12 4x12 8x12", usual, commanded_ul_h=f"8x{WELL} 16x12 4x12 8x12"),
        "it stands and strains": after_an_hour(stands, f"6x{LONG}"),
        "it stands and says so": after_an_hour(stands, usual, f"1x{LONG}"),
        "it turns a quarter less and strains": after_an_hour(f"6x{LONG}", f"4x{LONG}"),
        "it stands idle": after_an_hour(stands, idle),
        "it turns a quarter less and is calm": after_an_hour(f"6x{LONG}", usual),
        "it is trapped in telemetry mode": after_an_hour(stands, idle, f"4x{LONG}"),
        "it stands idle after a scan": after_an_hour(stands, idle, "128x6 0x30"),
        "it strains after a scan": after_an_hour(stands, f"6x{LONG}", "128x6 0x30"),
        "it is trapped in telemetry mode after a scan": after_an_hour(stands, idle, "128x6 4x30"),
        "it stands in the field alone": after_an_hour("0x6 8x30", "0x6 2.5x30", "128x6 0x30"),
        "it stands after a reset": after_an_hour(stands, idle, f"2x{LONG}"),
        "it stands at its end of service": after_an_hour(stands, idle, f"32x{LONG}"),
        "it stalls again and again": after_an_hour(TURNS_BETWEEN, "6x3 2.5x9 " * 3, STALLS_OFTEN),
        "it hesitates for five minutes": after_an_hour("0 8x35", "6 2.5x35", "1 0x35"),
        "it strained, and turns again": after_an_hour("0x12 8x24", "6x12 2.5x24"),
        "it said it was stalled, and turns again": after_an_hour("0x12 8x24", usual, "1x12 0x24"),
        "it stood idle, and turns again": after_an_hour("0x12 8x24", "0x12 2.5x24"),
        "its current jumps to and fro": after_an_hour(turns, "9 2 12 4 15 3 " * 6),
        "its current jumps to and fro in a scanner": after_an_hour(turns, "9 2 12 4 15 3 " * 6, f"128x{LONG}"),
        "its current steps once": after_an_hour(turns, f"9x{LONG}"),
        "its flow is unknown": after_an_hour(f"?x{LONG}", f"?x{LONG}"),
    }
    return raised(MOTOR, situations)


@pytest.mark.parametrize(
    ("situation", "cause"),
    [
        ("it stands and strains", "motor_stall"),
        ("it stands and says so", "motor_stall"),
        ("it turns a quarter less and strains", "motor_stall"),
        ("it stands idle", "motor_not_driven"),
        ("it turns a quarter less and is calm", "motor_not_driven"),
        ("it is trapped in telemetry mode", "motor_not_driven"),
        ("it stands idle after a scan", "motor_after_mri"),
        ("it strains after a scan", "motor_stall"),
        ("it strained, and turns again", "motor_stall"),
        ("it said it was stalled, and turns again", "motor_stall"),
        ("it stood idle, and turns again", "motor_not_driven"),
        ("it is trapped in telemetry mode after a scan", "motor_not_driven"),
        ("it stalls again and again", "motor_intermittent"),
        ("its current jumps to and fro", "feedthrough_short"),
    ],
)
def test_each_situation_raises_exactly_its_own_cause(alarms, situation, cause):
    assert alarms[situation] == {cause}


@pytest.mark.parametrize(
    "situation",
    [
        "it turns",
        "the program takes steps",
        "it stands in the field alone",
        "it stands after a reset",
        "it stands at its end of service",
        "it hesitates for five minutes",
        "its current jumps to and fro in a scanner",
        "its current steps once",
        "its flow is unknown",
    ],
)
def test_a_motor_that_turns_or_stands_for_a_known_reason_raises_nothing(alarms, situation):
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
