"""A flow sensor's scatter and unit: five-minute windows in which the readings move by so much from sample to sample."""

from __future__ import annotations

import pytest

from processor.detectors.flow_sensor import flow_sensor
from processor.rules.sensor import RULES

HOUR, WELL, LONG = 12, 24, 36
OURS = tuple(rule for rule in RULES if rule.detector.family == "flow_sensor")


def around(mean: float, by: float, windows: int = LONG) -> str:
    """Return readings that lie above and below the mean by turns."""
    return f"{mean + by:.3f} {mean - by:.3f} " * (windows // 2)


@pytest.fixture(scope="module")
def alarms(stream, raised):
    def pump(then: str, commanded: str = f"8x{LONG}"):
        return stream(
            "flow_ul_h", f"{around(8, 0.15, WELL)} {then}", commanded_ul_h=f"8x{WELL} {commanded}", every_s=300
        )

    situations = {
        "it scatters as usual": pump(around(8, 0.15)),
        "it scatters widely": pump(around(8, 2.0)),
        "it gives the flow of a day": pump(around(192, 4.0)),
        "it gives the flow of a day now and then": pump("8.1 192 7.9 8 8.1 190 " * (LONG // 6)),
        "the program is stepped up": pump(around(40, 0.7), commanded=f"40x{LONG}"),
        "the program is stepped down": pump(around(2, 0.05), commanded=f"2x{LONG}"),
        "the program gives boluses": pump("8x5 100 " * (LONG // 6), commanded="8x5 100 " * (LONG // 6)),
        "it reads a fifth too much": pump(around(9.6, 0.17)),
        "nothing flows": pump(around(0, 0.03)),
        "the patient turns once": pump(f"30 {around(8, 0.15, LONG - 2)} 8"),
        "it says nothing": pump(f"?x{LONG}"),
    }
    return raised(OURS, situations)


@pytest.mark.parametrize(
    ("situation", "finding"),
    [
        ("it scatters widely", "flow_sensor_noisy"),
        ("it gives the flow of a day", "flow_sensor_unit"),
        ("it gives the flow of a day now and then", "flow_sensor_unit"),
    ],
)
def test_noise_and_a_unit_error_are_distinguished(alarms, situation, finding):
    assert alarms[situation] == {finding}


@pytest.mark.parametrize(
    "situation",
    [
        "it scatters as usual",
        "the program is stepped up",
        "the program is stepped down",
        "the program gives boluses",
        "it reads a fifth too much",
        "nothing flows",
        "the patient turns once",
        "it says nothing",
    ],
)
def test_without_noise_or_unit_error_nothing_is_raised(alarms, situation):
    assert alarms[situation] == set()


def test_a_sensor_is_compared_with_its_own_baseline_scatter(stream, trace):
    always = stream("flow_ul_h", around(8, 0.35, 36), commanded_ul_h="8", every_s=300)
    assert max(trace(flow_sensor("noise"), always)) < 1
    louder = stream("flow_ul_h", around(8, 0.35, 36) + around(8, 1.2, 24), commanded_ul_h="8", every_s=300)
    assert trace(flow_sensor("noise"), louder)[-1] >= 1


def test_scatter_in_alarm_does_not_become_the_baseline(stream, trace):
    noisy = stream("flow_ul_h", around(8, 0.15, 24) + around(8, 2.0, 60), commanded_ul_h="8", every_s=300)
    usual = trace(flow_sensor("noise"), noisy, "jump_usual")
    assert usual[-1] == pytest.approx(usual[30], rel=0.01)


def test_a_unit_error_is_scored_relative_to_what_no_rotor_delivers(stream, trace):
    slipped = stream("flow_ul_h", "8 8 192x40", commanded_ul_h="8", every_s=300)
    assert trace(flow_sensor("unit slip"), slipped)[-1] == pytest.approx(24 / 3, rel=0.01)
    assert trace(flow_sensor("noise"), slipped)[-1] == 0
