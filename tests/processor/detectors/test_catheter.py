"""Causes of catheter alarms, each in its own situation: five-minute windows after four healthy hours."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from processor.detectors.catheter import catheter
from processor.rules.catheter import RULES

HEALTHY, HOUR = 48, 12
"""Windows before anything happens, and per hour."""
AFTER = 12 * HOUR
CRACK = "1.8 1.1 1.5 0.9 1.7 1.2 "
LOW_AND_SWINGING = "9 6 8 5 8 6 "
KINKED = "2x6 0.1x6 "
"""Half an hour open, half an hour with the catheter closed."""


def slowly(first: float, last: float, windows: int) -> str:
    return " ".join(f"{value:.3f}" for value in np.linspace(first, last, windows))


@pytest.fixture(scope="module")
def after_hours(stream):
    """Make a pump that is healthy and then has this pulse and pressure, with the noise of a window of samples."""

    def make(pulse: str, pressure: str, *, flags: str = f"0x{AFTER}", healthy: int = HEALTHY) -> pl.DataFrame:
        before = f"0x{healthy} " if healthy else ""
        pulses, pressures = (
            f"{baseline}x{healthy} {then}" if healthy else then for baseline, then in ((2, pulse), (10, pressure))
        )
        batch = stream("pulse_mmhg", pulses, pressure_mmhg=pressures, flags=before + flags, every_s=300)
        rng = np.random.default_rng(1)
        return batch.with_columns(
            (pl.col(name) + pl.Series(rng.normal(0.0, noise, batch.height), dtype=pl.Float32)).alias(name)
            for name, noise in (("pulse_mmhg", 0.036), ("pressure_mmhg", 0.09))
        )

    return make


@pytest.fixture(scope="module")
def situations(after_hours):
    normal_pressure, normal_pulse = f"10x{AFTER}", f"2x{AFTER}"
    scan = f"128x{2 * HOUR} 0x{AFTER - 2 * HOUR}"
    return {
        "healthy": after_hours(normal_pulse, normal_pressure),
        "pulse lost, pressure rises": after_hours(f"0.1x{AFTER}", f"40x{AFTER}"),
        "pulse lost, pressure normal": after_hours(f"0.6x{AFTER}", normal_pressure),
        "pulse lost, pressure falls": after_hours(f"0.2x{AFTER}", f"4x{AFTER}"),
        "pulse and pressure low and swinging": after_hours(CRACK * (AFTER // 6), LOW_AND_SWINGING * (AFTER // 6)),
        "pulse lost and regained": after_hours(KINKED * HOUR, "10x6 30x6 " * HOUR),
        "pulse fades over hours": after_hours(slowly(2.0, 1.3, AFTER), normal_pressure),
        "pulse reduced suddenly": after_hours(f"1.2x{AFTER}", f"12x{AFTER}"),
        "patient sits up and lies down": after_hours(normal_pulse, f"35x24 10x24 35x36 10x{AFTER - 84}"),
        "patient sits up from the start": after_hours(
            f"2x{HEALTHY + AFTER}", f"35x{HEALTHY} {normal_pressure}", flags=f"0x{HEALTHY + AFTER}", healthy=0
        ),
        "catheter occluded from the start": after_hours(
            f"0.2x{HEALTHY + AFTER}", f"30x{HEALTHY + AFTER}", flags=f"0x{HEALTHY + AFTER}", healthy=0
        ),
        "both disturbed by the field of a scanner": after_hours(
            f"0.1x{2 * HOUR} 2x{AFTER - 2 * HOUR}", f"40x{2 * HOUR} 10x{AFTER - 2 * HOUR}", flags=scan
        ),
        "catheter closes in a scanner": after_hours(f"0.1x{AFTER}", f"40x{AFTER}", flags=scan),
        "neither is known": after_hours(f"?x{AFTER}", f"?x{AFTER}"),
    }


@pytest.fixture(scope="module")
def alarms(situations, raised):
    return raised(RULES, situations)


@pytest.mark.parametrize(
    ("situation", "cause"),
    [
        ("pulse lost, pressure rises", "catheter_occlusion"),
        ("pulse lost, pressure normal", "catheter_narrowing"),
        ("pulse lost, pressure falls", "catheter_disconnection"),
        ("pulse and pressure low and swinging", "catheter_leak"),
        ("pulse lost and regained", "catheter_kink"),
        ("pulse fades over hours", "catheter_closing"),
        ("pulse reduced suddenly", "catheter_migration"),
    ],
)
def test_each_situation_raises_exactly_its_own_cause(alarms, situation, cause):
    assert alarms[situation] == {cause}


@pytest.mark.parametrize(
    "situation",
    [
        "healthy",
        "patient sits up and lies down",
        "patient sits up from the start",
        "both disturbed by the field of a scanner",
        "neither is known",
    ],
)
def test_without_a_catheter_fault_no_alarm_is_raised(alarms, situation):
    assert alarms[situation] == set()


def test_a_migration_is_not_raised_if_the_pulse_is_lost_intermittent_or_fading(situations, raised):
    migration = tuple(rule for rule in RULES if rule.name == "catheter_migration")
    others = (
        "pulse lost, pressure falls",
        "pulse lost and regained",
        "pulse fades over hours",
    )
    assert raised(migration, {name: situations[name] for name in others}) == {name: set() for name in others}


def test_a_catheter_occluded_from_the_start_is_detected_without_a_baseline_pressure(alarms):
    assert alarms["catheter occluded from the start"] == {"catheter_narrowing"}


def test_a_catheter_that_closes_in_a_scanner_is_detected_afterwards(alarms):
    assert alarms["catheter closes in a scanner"] == {"catheter_occlusion"}


def test_nothing_is_learned_in_a_scanner(stream, trace):
    scan = stream("pulse_mmhg", "2x3 0.1x4", pressure_mmhg="10x3 40x4", flags="0x3 128x4", every_s=300)
    for memory, baseline in (("gone", 0), ("pulse_quick", 2), ("pressure_quick", 10), ("pulse_usual", 2)):
        assert trace(catheter("occlusion"), scan, memory) == pytest.approx([baseline] * 7)


def test_a_brief_loss_of_pulse_is_not_an_alarm(stream, trace):
    moment = stream("pulse_mmhg", "2x12 0.1x4 2x12", pressure_mmhg="10", every_s=300)
    assert max(trace(catheter("narrowing"), moment)) < 1


def test_sitting_up_hardly_changes_the_baseline_pressure(stream, trace):
    sitting = stream("pressure_mmhg", "10x3 35x36", pulse_mmhg="2", every_s=300)
    assert 10 < trace(catheter("occlusion"), sitting, "pressure_usual")[-1] < 10.2
