"""The vote of commanded flow, measured flow and reservoir, each finding in its own situation: half-hourly windows."""

from __future__ import annotations

import pytest

from processor.detectors.volume import volume
from processor.rules import delivery, reservoir, sensor

HOURS = 48
WINDOWS = 2 * HOURS
HALF_HOURLY = {"every_s": 1800}
VOTE = tuple(rule for rule in (*delivery.RULES, *reservoir.RULES, *sensor.RULES) if rule.detector.family == "volume")


def level(*stretches: tuple[int, float], begins_ml: float = 18.0) -> str:
    """Return the level that falls, for so many windows each, by so much an hour (µL)."""
    words = []
    for windows, ul_h in stretches:
        for _ in range(windows):
            words.append(f"{begins_ml:.4f}")
            begins_ml -= ul_h / 2000
    return " ".join(words)


@pytest.fixture(scope="module")
def alarms(stream, raised):
    def pump(flow: str, reservoir: str, **others: str):
        return stream("flow_ul_h", flow, reservoir_ml=reservoir, **{"commanded_ul_h": "40", **others}, **HALF_HOURLY)

    programmed, matching = f"40x{WINDOWS}", level((WINDOWS, 40))
    filled = f"{level((24, 40), begins_ml=6)} 11.8 {level((WINDOWS - 25, 40))}"
    situations = {
        "all agree": pump(programmed, matching),
        "the program takes steps": pump("40x48 20x48", level((48, 40), (48, 20)), commanded_ul_h="40x48 20x48"),
        "the pump gives too much": pump("40x24 56x72", level((24, 40), (72, 56))),
        "the pump gives too much and is filled": pump(
            "40x24 44x72", f"{level((24, 40), (12, 44), begins_ml=6)} 11.8 {level((59, 44))}", flags="0x36 64 0x59"
        ),
        "the flow sensor reads too much": pump("40x24 56x72", matching),
        "the flow sensor reads too little": pump("40x24 24x72", matching),
        "the level sensor falls too fast": pump(programmed, level((24, 40), (72, 45))),
        "the level sensor falls too slowly": pump(programmed, level((24, 40), (72, 30))),
        "the reservoir empties beside the rotor": pump(programmed, level((24, 40), (12, 800), (60, 40))),
        "a refill is recorded": pump(programmed, filled, flags="0x24 64 0x71"),
        "a small refill is recorded": pump(
            programmed, f"{level((24, 40))} {level((72, 40), begins_ml=18.2)}", flags="0x24 64 0x71"
        ),
        "a refill is not recorded": pump(programmed, filled),
        "what is gone after a day is not known": pump(
            "40x24 -x48 40x24", f"{level((24, 40))} 0x48 {level((24, 40), begins_ml=12)}"
        ),
        "the level is unknown": pump(programmed, f"?x{WINDOWS}"),
        "the flow is unknown": pump(f"?x{WINDOWS}", matching),
    }
    return raised(VOTE, situations)


@pytest.mark.parametrize(
    ("situation", "finding"),
    [
        ("the pump gives too much", "over_infusion"),
        ("the pump gives too much and is filled", "over_infusion"),
        ("the flow sensor reads too much", "flow_sensor_off"),
        ("the flow sensor reads too little", "flow_sensor_off"),
        ("the level sensor falls too fast", "volume_imbalance"),
        ("the level sensor falls too slowly", "volume_imbalance"),
        ("the reservoir empties beside the rotor", "reservoir_falls"),
    ],
)
def test_the_one_that_disagrees_with_the_other_two_is_raised(alarms, situation, finding):
    assert alarms[situation] == {finding}


@pytest.mark.parametrize(
    "situation",
    [
        "all agree",
        "the program takes steps",
        "a refill is recorded",
        "a small refill is recorded",
        "a refill is not recorded",
        "what is gone after a day is not known",
        "the level is unknown",
        "the flow is unknown",
    ],
)
def test_without_disagreement_nothing_is_raised(alarms, situation):
    assert alarms[situation] == set()


def test_an_excess_that_the_reservoir_contradicts_is_cleared_after_three_hours(stream, trace):
    denied = stream("flow_ul_h", "40x8 56x24", reservoir_ml=level((32, 40)), commanded_ul_h="40", **HALF_HOURLY)
    assert max(trace(volume("over-infusion"), denied)[14:]) == 0
    true = stream("flow_ul_h", "40x8 56x24", reservoir_ml=level((8, 40), (24, 56)), commanded_ul_h="40", **HALF_HOURLY)
    assert min(trace(volume("over-infusion"), true)[14:]) > 1


def test_without_a_level_over_infusion_rests_on_flow_alone(stream, trace):
    fifth_more = stream("flow_ul_h", "48x12", commanded_ul_h="40", **HALF_HOURLY)
    hours_of_excess = [0, 0, *(0.06 * window for window in range(1, 8))]
    assert trace(volume("over-infusion"), fifth_more)[:9] == pytest.approx(
        [hours / 0.42 for hours in hours_of_excess], rel=1e-4
    )


def test_a_refill_resets_the_volume_balance(stream, trace):
    refill = stream(
        "reservoir_ml", "10x6 15 20x3", flow_ul_h="40", commanded_ul_h="40", flags="0x6 64 0x3", **HALF_HOURLY
    )
    account = trace(volume("level sensor"), refill, "measured_slow")
    assert account[5] == pytest.approx(50)
    assert account[6:] == pytest.approx([0, 0, 0, 10])


def test_a_fast_fall_is_not_a_level_sensor_fault(stream, trace):
    empties = stream("reservoir_ml", level((4, 40), (12, 800)), flow_ul_h="40", commanded_ul_h="40", **HALF_HOURLY)
    assert trace(volume("reservoir falls"), empties)[-1] >= 1
    assert trace(volume("level sensor"), empties)[-1] == 0


def test_a_gap_of_more_than_an_hour_adds_nothing(stream, trace):
    gap = stream("reservoir_ml", "10 - - 8 8", flow_ul_h="40", commanded_ul_h="40", **HALF_HOURLY)
    assert trace(volume("level sensor"), gap, "measured_quick")[:2] == [0, 0]
    assert trace(volume("level sensor"), gap, "measured_quick")[2] > 0
