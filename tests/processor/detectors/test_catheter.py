"""The catheter's causes, each in its own situation: five-minute windows of a pump that was well for four hours."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from processor.detectors.catheter import catheter
from processor.rules.catheter import RULES

WELL, HOUR = 48, 12
"""Windows before anything happens, and in an hour."""
UP_TO = 12 * HOUR
CRACK = "1.8 1.1 1.5 0.9 1.7 1.2 "
LOW_AND_RESTLESS = "9 6 8 5 8 6 "
LIES_ON_IT = "2x6 0.1x6 "
"""Half an hour well, half an hour with the catheter shut."""


def slowly(first: float, last: float, windows: int) -> str:
    return " ".join(f"{value:.3f}" for value in np.linspace(first, last, windows))


@pytest.fixture(scope="module")
def after_hours(stream):
    """A pump that is well, and then has this pulse and pressure; with the noise that a window of samples has."""

    def make(pulse: str, pressure: str, *, flags: str = f"0x{UP_TO}", well: int = WELL) -> pl.DataFrame:
        before = f"0x{well} " if well else ""
        pulses, pressures = (f"{usual}x{well} {then}" if well else then for usual, then in ((2, pulse), (10, pressure)))
        batch = stream("pulse_mmhg", pulses, pressure_mmhg=pressures, flags=before + flags, every_s=300)
        rng = np.random.default_rng(1)
        return batch.with_columns(
            (pl.col(name) + pl.Series(rng.normal(0.0, noise, batch.height), dtype=pl.Float32)).alias(name)
            for name, noise in (("pulse_mmhg", 0.036), ("pressure_mmhg", 0.09))
        )

    return make


@pytest.fixture(scope="module")
def situations(after_hours):
    still, well = f"10x{UP_TO}", f"2x{UP_TO}"
    scan = f"128x{2 * HOUR} 0x{UP_TO - 2 * HOUR}"
    return {
        "all is well": after_hours(well, still),
        "the pulse is gone and the pressure rises": after_hours(f"0.1x{UP_TO}", f"40x{UP_TO}"),
        "the pulse is gone and the pressure stays": after_hours(f"0.6x{UP_TO}", still),
        "the pulse is gone and the pressure falls": after_hours(f"0.2x{UP_TO}", f"4x{UP_TO}"),
        "pulse and pressure are low and restless": after_hours(CRACK * (UP_TO // 6), LOW_AND_RESTLESS * (UP_TO // 6)),
        "the pulse goes and comes back": after_hours(LIES_ON_IT * HOUR, "10x6 30x6 " * HOUR),
        "the pulse goes over hours": after_hours(slowly(2.0, 1.3, UP_TO), still),
        "the pulse is less at once": after_hours(f"1.2x{UP_TO}", f"12x{UP_TO}"),
        "the patient sits up and lies down": after_hours(well, f"35x24 10x24 35x36 10x{UP_TO - 84}"),
        "the patient sat up as we began": after_hours(
            f"2x{WELL + UP_TO}", f"35x{WELL} {still}", flags=f"0x{WELL + UP_TO}", well=0
        ),
        "the catheter was closed as we began": after_hours(
            f"0.2x{WELL + UP_TO}", f"30x{WELL + UP_TO}", flags=f"0x{WELL + UP_TO}", well=0
        ),
        "a scanner's field disturbs both": after_hours(
            f"0.1x{2 * HOUR} 2x{UP_TO - 2 * HOUR}", f"40x{2 * HOUR} 10x{UP_TO - 2 * HOUR}", flags=scan
        ),
        "the catheter closes in a scanner": after_hours(f"0.1x{UP_TO}", f"40x{UP_TO}", flags=scan),
        "neither is known": after_hours(f"?x{UP_TO}", f"?x{UP_TO}"),
    }


@pytest.fixture(scope="module")
def alarms(situations, raised):
    return raised(RULES, situations)


@pytest.mark.parametrize(
    ("situation", "cause"),
    [
        ("the pulse is gone and the pressure rises", "catheter_occlusion"),
        ("the pulse is gone and the pressure stays", "catheter_narrowing"),
        ("the pulse is gone and the pressure falls", "catheter_disconnection"),
        ("pulse and pressure are low and restless", "catheter_leak"),
        ("the pulse goes and comes back", "catheter_kink"),
        ("the pulse goes over hours", "catheter_closing"),
        ("the pulse is less at once", "catheter_migration"),
    ],
)
def test_each_situation_raises_exactly_its_own_cause(alarms, situation, cause):
    assert alarms[situation] == {cause}


@pytest.mark.parametrize(
    "situation",
    [
        "all is well",
        "the patient sits up and lies down",
        "the patient sat up as we began",
        "a scanner's field disturbs both",
        "neither is known",
    ],
)
def test_without_a_catheter_fault_nothing_is_raised(alarms, situation):
    assert alarms[situation] == set()


def test_a_migration_is_not_raised_if_the_pulse_is_lost_intermittent_or_fading(situations, raised):
    migration = tuple(rule for rule in RULES if rule.name == "catheter_migration")
    others = (
        "the pulse is gone and the pressure falls",
        "the pulse goes and comes back",
        "the pulse goes over hours",
    )
    assert raised(migration, {name: situations[name] for name in others}) == {name: set() for name in others}


def test_a_catheter_occluded_from_the_start_is_detected_without_a_baseline_pressure(alarms):
    assert alarms["the catheter was closed as we began"] == {"catheter_narrowing"}


def test_a_catheter_that_closes_in_a_scanner_is_detected_afterwards(alarms):
    assert alarms["the catheter closes in a scanner"] == {"catheter_occlusion"}


def test_nothing_is_learned_in_a_scanner(stream, trace):
    scan = stream("pulse_mmhg", "2x3 0.1x4", pressure_mmhg="10x3 40x4", flags="0x3 128x4", every_s=300)
    for memory, usual in (("gone", 0), ("pulse_quick", 2), ("pressure_quick", 10), ("pulse_usual", 2)):
        assert trace(catheter("occlusion"), scan, memory) == pytest.approx([usual] * 7)


def test_a_brief_loss_of_pulse_is_not_an_alarm(stream, trace):
    moment = stream("pulse_mmhg", "2x12 0.1x4 2x12", pressure_mmhg="10", every_s=300)
    assert max(trace(catheter("narrowing"), moment)) < 1


def test_sitting_up_hardly_changes_the_baseline_pressure(stream, trace):
    sits = stream("pressure_mmhg", "10x3 35x36", pulse_mmhg="2", every_s=300)
    assert 10 < trace(catheter("occlusion"), sits, "pressure_usual")[-1] < 10.2
