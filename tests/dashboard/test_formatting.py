"""Formats of numbers, durations and times."""

from __future__ import annotations

import math

import pytest

from dashboard import formatting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (math.nan, "unknown"),
        (-3, "0 s"),
        (40.9, "40 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (45_000, "12 h"),
        (187_200, "2 d 4 h"),
        (40 * 86_400, "40 d"),
    ],
)
def test_a_span_has_no_more_than_two_units(seconds: float | None, text: str) -> None:
    assert formatting.span(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "unknown"), (math.nan, "unknown"), (0.0, "0.00 µL/h"), (8.204, "8.20 µL/h")]
)
def test_a_reading_has_its_unit_and_what_is_missing_is_unknown_not_zero(value: float | None, text: str) -> None:
    assert formatting.reading("flow_ul_h", value) == text


def test_every_time_has_its_zone_and_no_time_is_unknown() -> None:
    assert formatting.moment(1_768_221_120_000) == "12 Jan 2026, 12:32 UTC"
    assert formatting.second(1_768_221_120_000) == "12:32:00 UTC"
    assert formatting.moment(None) == formatting.moment(0) == "unknown"


def test_one_is_singular() -> None:
    assert [formatting.count(number, "pump") for number in (0, 1, 1234)] == ["0 pumps", "1 pump", "1,234 pumps"]
    assert formatting.count(None, "pump") == "unknown pumps"


def test_large_and_small_amounts_have_the_digits_they_deserve() -> None:
    assert [formatting.amount(value) for value in (1.78, 312, 1_000_000, 250.5)] == ["1.78", "312", "1,000,000", "250"]


def test_sizes_are_in_decimal_units() -> None:
    sizes = (0, 812, 437_000, 2_100_000_000)
    assert [formatting.size(size) for size in sizes] == ["0 Bytes", "812 Bytes", "437.0 kB", "2.1 GB"]


def test_an_alarm_whose_condition_is_over_shows_when_it_was_raised_not_how_long_it_stands() -> None:
    assert formatting.standing(720, over=False) == "for 12 min"
    assert formatting.standing(720, over=True) == "12 min ago"


def test_names_of_faults_are_said_as_words() -> None:
    assert formatting.title("catheter_occlusion") == "Catheter occlusion"
    assert formatting.title("") == ""


def test_what_a_pump_reports_is_said_in_words_and_unknown_when_it_says_nothing() -> None:
    assert formatting.flags(1 | 16) == ["Motor stalled", "Elective replacement due"]
    assert formatting.flags(0) == []
    assert formatting.flags(None) == ["unknown"]


def test_a_long_list_does_not_run_on() -> None:
    assert formatting.listed("abcde") == "a, b, c and 2 more"
    assert formatting.listed("ab") == "a and b"
    assert formatting.listed([]) == ""


def test_speed_one_is_real_time() -> None:
    assert [formatting.speed(speed) for speed in (1, 60, 0.5)] == ["real time", "×60", "×0.5"]
