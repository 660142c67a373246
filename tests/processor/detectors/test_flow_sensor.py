"""Scatter and unit errors of a flow sensor, in five-minute windows."""

from __future__ import annotations

import pytest

from processor.detectors.flow_sensor import flow_sensor
from processor.rules.sensor import RULES

HOUR, HEALTHY, LONG = 12, 24, 36
FLOW_SENSOR_RULES = tuple(rule for rule in RULES if rule.detector.family == "flow_sensor")


def around(mean: float, by: float, windows: int = LONG) -> str:
    """Return readings that alternate above and below the mean."""
    return f"{mean + by:.3f} {mean - by:.3f} " * (windows // 2)


@pytest.fixture(scope="module")
def alarms(stream, raised):
    def pump(then: str, commanded: str = f"8x{LONG}"):
        return stream(
            "flow_ul_h", f"{around(8, 0.15, HEALTHY)} {then}", commanded_ul_h=f"8x{HEALTHY} {commanded}", every_s=300
        )

    situations = {
        "scatter at baseline": pump(around(8, 0.15)),
        "wide scatter": pump(around(8, 2.0)),
        "readings per day": pump(around(192, 4.0)),
        "some readings per day": pump("8.1 192 7.9 8 8.1 190 " * (LONG // 6)),
        "program stepped up": pump(around(40, 0.7), commanded=f"40x{LONG}"),
        "program stepped down": pump(around(2, 0.05), commanded=f"2x{LONG}"),
        "program with boluses": pump("8x5 100 " * (LONG // 6), commanded="8x5 100 " * (LONG // 6)),
        "reads a fifth too high": pump(around(9.6, 0.17)),
        "no flow": pump(around(0, 0.03)),
        "patient turns once": pump(f"30 {around(8, 0.15, LONG - 2)} 8"),
        "no readings": pump(f"?x{LONG}"),
    }
    return raised(FLOW_SENSOR_RULES, situations)


@pytest.mark.parametrize(
    ("situation", "finding"),
    [
        ("wide scatter", "flow_sensor_noisy"),
        ("readings per day", "flow_sensor_unit"),
        ("some readings per day", "flow_sensor_unit"),
    ],
)
def test_noise_and_a_unit_error_are_distinguished(alarms, situation, finding):
    assert alarms[situation] == {finding}


@pytest.mark.parametrize(
    "situation",
    [
        "scatter at baseline",
        "program stepped up",
        "program stepped down",
        "program with boluses",
        "reads a fifth too high",
        "no flow",
        "patient turns once",
        "no readings",
    ],
)
def test_without_noise_or_unit_error_no_alarm_is_raised(alarms, situation):
    assert alarms[situation] == set()


def test_a_sensor_is_compared_with_its_own_baseline_scatter(stream, trace):
    always = stream("flow_ul_h", around(8, 0.35, 36), commanded_ul_h="8", every_s=300)
    assert max(trace(flow_sensor("noise"), always)) < 1
    louder = stream("flow_ul_h", around(8, 0.35, 36) + around(8, 1.2, 24), commanded_ul_h="8", every_s=300)
    assert trace(flow_sensor("noise"), louder)[-1] >= 1


def test_scatter_in_alarm_does_not_become_the_baseline(stream, trace):
    noisy = stream("flow_ul_h", around(8, 0.15, 24) + around(8, 2.0, 60), commanded_ul_h="8", every_s=300)
    baseline = trace(flow_sensor("noise"), noisy, "jump_usual")
    assert baseline[-1] == pytest.approx(baseline[30], rel=0.01)


def test_a_unit_error_is_scored_relative_to_what_no_rotor_delivers(stream, trace):
    slipped = stream("flow_ul_h", "8 8 192x40", commanded_ul_h="8", every_s=300)
    assert trace(flow_sensor("unit slip"), slipped)[-1] == pytest.approx(24 / 3, rel=0.01)
    assert trace(flow_sensor("noise"), slipped)[-1] == 0
