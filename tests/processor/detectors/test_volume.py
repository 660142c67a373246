"""Vote of commanded flow, measured flow and reservoir, each finding in its own situation: half-hourly windows."""

from __future__ import annotations

import pytest

from processor.detectors.volume import volume
from processor.rules import delivery, reservoir, sensor

HOURS = 48
WINDOWS = 2 * HOURS
HALF_HOURLY = {"every_s": 1800}
VOTE = tuple(rule for rule in (*delivery.RULES, *reservoir.RULES, *sensor.RULES) if rule.detector.family == "volume")


def level(*stretches: tuple[int, float], begins_ml: float = 18.0) -> str:
    """Return a level that falls by the given rate (µL/h) for each stretch of windows."""
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
        "program steps": pump("40x48 20x48", level((48, 40), (48, 20)), commanded_ul_h="40x48 20x48"),
        "pump delivers too much": pump("40x24 56x72", level((24, 40), (72, 56))),
        "pump delivers too much and is refilled": pump(
            "40x24 44x72", f"{level((24, 40), (12, 44), begins_ml=6)} 11.8 {level((59, 44))}", flags="0x36 64 0x59"
        ),
        "flow sensor reads high": pump("40x24 56x72", matching),
        "flow sensor reads low": pump("40x24 24x72", matching),
        "level sensor falls too fast": pump(programmed, level((24, 40), (72, 45))),
        "level sensor falls too slowly": pump(programmed, level((24, 40), (72, 30))),
        "reservoir leaks": pump(programmed, level((24, 40), (12, 800), (60, 40))),
        "refill recorded": pump(programmed, filled, flags="0x24 64 0x71"),
        "small refill recorded": pump(
            programmed, f"{level((24, 40))} {level((72, 40), begins_ml=18.2)}", flags="0x24 64 0x71"
        ),
        "refill not recorded": pump(programmed, filled),
        "gap of a day": pump("40x24 -x48 40x24", f"{level((24, 40))} 0x48 {level((24, 40), begins_ml=12)}"),
        "level unknown": pump(programmed, f"?x{WINDOWS}"),
        "flow unknown": pump(f"?x{WINDOWS}", matching),
    }
    return raised(VOTE, situations)


@pytest.mark.parametrize(
    ("situation", "finding"),
    [
        ("pump delivers too much", "over_infusion"),
        ("pump delivers too much and is refilled", "over_infusion"),
        ("flow sensor reads high", "flow_sensor_off"),
        ("flow sensor reads low", "flow_sensor_off"),
        ("level sensor falls too fast", "volume_imbalance"),
        ("level sensor falls too slowly", "volume_imbalance"),
        ("reservoir leaks", "reservoir_falls"),
    ],
)
def test_the_quantity_that_disagrees_with_the_other_two_raises_its_alarm(alarms, situation, finding):
    assert alarms[situation] == {finding}


@pytest.mark.parametrize(
    "situation",
    [
        "all agree",
        "program steps",
        "refill recorded",
        "small refill recorded",
        "refill not recorded",
        "gap of a day",
        "level unknown",
        "flow unknown",
    ],
)
def test_without_disagreement_no_alarm_is_raised(alarms, situation):
    assert alarms[situation] == set()


def test_an_excess_that_the_reservoir_contradicts_is_cleared_after_three_hours(stream, trace):
    contradicted = stream("flow_ul_h", "40x8 56x24", reservoir_ml=level((32, 40)), commanded_ul_h="40", **HALF_HOURLY)
    assert max(trace(volume("over-infusion"), contradicted)[14:]) == 0
    confirmed = stream(
        "flow_ul_h", "40x8 56x24", reservoir_ml=level((8, 40), (24, 56)), commanded_ul_h="40", **HALF_HOURLY
    )
    assert min(trace(volume("over-infusion"), confirmed)[14:]) > 1


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
