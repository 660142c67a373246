"""Therapy time and wall-clock time are never mixed without a label, in the texts of the server and of the browser."""

from __future__ import annotations

import dataclasses
import math
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from dashboard import clocks
from dashboard.clocks import WALL, TherapyClock
from dashboard.data.fleet_clock import therapy_clock
from dashboard.zones import ZONE

H = 3600.0
START_MS = 1_767_225_600_000
"""1 January 2026, 00:00 UTC."""
FAST = TherapyClock(60.0, START_MS, real=False)


def alarm(**columns: Any) -> dict[str, Any]:
    known = {"subject_kind": "pump", "speed": 60.0, "age_s": 3720.0, "returned": None, "harm_s": None, "deadline": None}
    return {**known, **columns}


@pytest.mark.parametrize(
    ("seconds", "speed", "text"),
    [
        (5 * H, 1.0, "5 h left"),
        (5 * H, 60.0, "5 h left (5 min here at ×60)"),
        (10.0, 60.0, "10 s left (under 1 s here at ×60)"),
        (5 * H, 0.5, "5 h left (10 h here at ×0.5)"),
        (0.0, 60.0, "0 s left (0 s here at ×60)"),
        (None, 60.0, "unknown left"),
        (math.inf, 60.0, "unknown left"),
        (5 * H, None, "5 h left"),
    ],
)
def test_what_is_left_of_therapy_time_says_how_long_that_is_here(
    seconds: float | None, speed: float | None, text: str
) -> None:
    assert clocks.time_left(seconds, speed) == text


def test_the_age_of_an_alarm_names_both_clocks_and_shortly_without_the_speed() -> None:
    assert clocks.alarm_age(alarm()) == "for 1 h 2 min (1 min here at ×60)"
    assert clocks.alarm_age(alarm(), short=True) == "for 1 h 2 min (1 min here)"
    assert clocks.alarm_age(alarm(returned=1)) == "1 h 2 min ago (1 min here at ×60)"
    assert clocks.alarm_age(alarm(speed=1.0)) == "for 1 h 2 min"


def test_an_alarm_about_pumpwatch_itself_ages_by_the_wall_clock() -> None:
    assert clocks.alarm_age(alarm(subject_kind="system")) == "for 1 h 2 min"


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (
            {"deadline": "under-dosed in about 5 h (4 to 7 h)", "harm_s": 5 * H},
            "under-dosed in about 5 h (4 to 7 h), 5 min here at ×60",
        ),
        ({"deadline": "probably under-dosed: bridge now", "harm_s": -60.0}, "probably under-dosed: bridge now"),
        ({"deadline": "hours; see the trend"}, "hours; see the trend (therapy time, ×60)"),
        ({"deadline": "hours; see the trend", "subject_kind": "system"}, "hours; see the trend"),
        ({"deadline": "now, if nobody is signed in"}, "now, if nobody is signed in"),
        ({"deadline": "hours; see the trend", "speed": 1.0}, "hours; see the trend"),
        ({"deadline": "returned to normal", "returned": 1}, "returned to normal"),
        ({}, "unknown"),
    ],
)
def test_the_time_to_respond_says_by_which_clock_it_runs(columns: dict[str, Any], text: str) -> None:
    assert clocks.deadline(alarm(**columns)) == text


@pytest.mark.parametrize(
    ("ms", "clock", "text"),
    [
        (START_MS + 11 * 86_400_000 + 52_320_000, FAST, "therapy day 12, 14:32 UTC"),
        (START_MS + 11 * 86_400_000 + 52_320_000, TherapyClock(60.0, real=False), "therapy 12 Jan 2026, 14:32 UTC"),
        (START_MS - 60_000, FAST, "therapy 31 Dec 2025, 23:59 UTC"),
        (START_MS + 11 * 86_400_000, WALL, "12 Jan 2026, 00:00 UTC"),
        (None, FAST, "unknown"),
    ],
)
def test_a_therapy_time_is_marked_as_one(ms: int | None, clock: TherapyClock, text: str) -> None:
    assert clocks.therapy_moment(ms, clock) == text


def test_therapy_days_end_at_midnight_of_the_viewer() -> None:
    token = ZONE.set(ZoneInfo("America/New_York"))
    evening, night = START_MS + 86_400_000 + 4 * 3_600_000, START_MS + 86_400_000 + 6 * 3_600_000
    assert [clocks.therapy_moment(ms, FAST) for ms in (evening, night)] == [
        "therapy day 2, 23:00 UTC−5",
        "therapy day 3, 01:00 UTC−5",
    ]
    assert clocks.therapy_date(night, FAST) == "therapy day 3"
    assert clocks.therapy_date(night, WALL) == "2 Jan 2026"
    ZONE.reset(token)


def test_days_are_counted_unless_gateways_play_different_times(fleet: Any) -> None:
    snapshot = fleet(2000)
    snapshot = dataclasses.replace(snapshot, health=replaced(snapshot.health, therapy_start=START_MS))
    assert therapy_clock(snapshot) == FAST
    mixed = snapshot.gateways.with_columns(
        pl.when(pl.col("gateway") == "gateway-01").then(pl.lit(1.0)).otherwise("speed").alias("speed"),
        pl.when(pl.col("gateway") == "gateway-01")
        .then(snapshot.health.written)
        .otherwise(snapshot.health.therapy_ms)
        .alias("therapy_ms"),
    )
    both = dataclasses.replace(snapshot, gateways=mixed)
    assert therapy_clock(both, "gateway-00") == TherapyClock(60.0, 0, real=False)
    assert therapy_clock(both, "gateway-01").real, "this gateway's pumps live in real time"


def replaced(health: Any, **fields: Any) -> Any:
    return type(health)(**{name: getattr(health, name) for name in health.__struct_fields__} | fields)
