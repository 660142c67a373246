"""Measured against entered volume of a refill, in five-minute windows."""

from __future__ import annotations

import polars as pl
import pytest

from processor.detectors.refill import refill
from processor.rules.reservoir import RULES

BEFORE, AFTER = 6, 24
REFILL_RULES = tuple(rule for rule in RULES if rule.detector.family == "refill")
FLAGS = f"0x{BEFORE} 64 0x{AFTER - 1}"


@pytest.fixture(scope="module")
def refilled(stream):
    """Make a pump with 3 mL left for which 20 mL are entered and this volume arrives."""

    def make(arrived_ml: str, computed_ml: str = f"3x{BEFORE} 20x{AFTER}", flags: str = FLAGS) -> pl.DataFrame:
        levels = f"3x{BEFORE} {arrived_ml}"
        return stream("reservoir_ml", levels, computed_ml=computed_ml, flags=flags, every_s=300)

    return make


@pytest.fixture(scope="module")
def alarms(refilled, raised):
    situations = {
        "all of it arrives": refilled("12 20x23"),
        "a little less arrives": refilled("11 19x23"),
        "nothing arrives": refilled("1.4x24"),
        "half of it arrives": refilled("6 10x23"),
        "a fifth is missing": refilled("9 16x23"),
        "a fifth too much arrives": refilled("13 24x23"),
        "nothing arrives, computed volume not reported": refilled("1.4x24", computed_ml="?"),
        "no refill recorded": refilled("1.4x24", computed_ml="20", flags="0"),
        "all of it arrives, then the level sensor drifts": refilled("12 20x11 12x12"),
    }
    return raised(REFILL_RULES, situations)


@pytest.mark.parametrize(
    ("situation", "finding"),
    [
        ("nothing arrives", "refill_missed"),
        ("half of it arrives", "refill_missed"),
        ("a fifth is missing", "refill_volume_wrong"),
        ("a fifth too much arrives", "refill_volume_wrong"),
    ],
)
def test_a_faulty_refill_raises_its_own_alarm(alarms, situation, finding):
    assert alarms[situation] == {finding}


@pytest.mark.parametrize(
    "situation",
    [
        "all of it arrives",
        "a little less arrives",
        "nothing arrives, computed volume not reported",
        "no refill recorded",
        "all of it arrives, then the level sensor drifts",
    ],
)
def test_a_correct_refill_and_one_that_cannot_be_judged_raise_no_alarm(alarms, situation):
    assert alarms[situation] == set()


def test_a_finding_stands_until_the_next_refill(stream, trace):
    two = stream(
        "reservoir_ml",
        "3x2 9 16x9 15x60 18 20x9",
        computed_ml="3x2 20x10 19x60 20x10",
        flags="0x2 64 0x69 64 0x9",
        every_s=300,
    )
    scores = trace(refill("wrong volume"), two)
    assert scores[4:72] == pytest.approx([4 / 18.6 / 0.09] * 68, rel=1e-4)
    assert scores[73:] == pytest.approx([0] * 9, abs=1e-5)


def test_the_window_of_the_refill_itself_does_not_count(stream, trace):
    half_way = stream("reservoir_ml", "3 3 12 20 20", computed_ml="3 3 20 20 20", flags="0 0 64 0 0", every_s=300)
    assert trace(refill("missed"), half_way, "missing") == pytest.approx([0] * 5, abs=1e-6)


def test_a_pump_that_reports_seldom_is_compared_once(stream, trace):
    hourly = stream("reservoir_ml", "3 1.4 1.4 20", computed_ml="3 20 20 20", flags="0 64 0 0", every_s=3600)
    assert trace(refill("missed"), hourly, "missing") == pytest.approx([0, 0, 1, 1])
    assert trace(refill("missed"), hourly)[-1] == pytest.approx(1 / 0.45, rel=1e-5)


def test_a_refill_is_overdue_after_180_days_until_it_is_recorded(stream, trace):
    days = stream("reservoir_ml", "10x190", computed_ml="10", flags="0x3 64 0x185 64", every_s=86_400)
    scores = trace(refill("overdue"), days)
    assert scores[:4] == [0] * 4
    assert scores[183] < 1 <= scores[185]
    assert trace(refill("overdue"), days, "since_s")[-1] == 0
    assert max(trace(refill("overdue"), stream("reservoir_ml", "10x400", flags="0", every_s=86_400))) == 0
