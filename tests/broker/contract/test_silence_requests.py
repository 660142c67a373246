"""Silences as people ask for them."""

from __future__ import annotations

import pytest

from broker.contract.silence_requests import Request, window
from broker.contract.silences import DAY_MS, HOUR_MS, MAX_HIGH_MS, MAX_MS, SilenceError, Window
from tests.broker.contract.test_silences import NOW


def request(**match: str) -> Request:
    return Request("S1", match, "why", "olga", NOW)


@pytest.mark.parametrize(
    ("text", "days", "begin"),
    [
        ("Mon-Fri 08:00-17:00", ("Mon", "Tue", "Wed", "Thu", "Fri"), "08:00"),
        ("sat,sun 22:00-06:00", ("Sat", "Sun"), "22:00"),
        ("Sat-Mon, Wed  22:00 – 06:00", ("Mon", "Wed", "Sat", "Sun"), "22:00"),
    ],
)
def test_a_window_is_written_as_days_and_times(text: str, days: tuple[str, ...], begin: str) -> None:
    found = window(text)
    assert (found.days, found.begin) == (days, begin)


@pytest.mark.parametrize("text", ["", "22:00-06:00", "Someday 22:00-06:00", "Mon 9-17", "Mon-Fri"])
def test_what_is_no_window_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SilenceError, match=r"Mon-Fri"):
        window(text)


def test_until_alarms_clear_lasts_a_day_at_most_if_one_could_be_high() -> None:
    assert request(site="Bern").until_clear(["A"]).ends == NOW + MAX_HIGH_MS
    assert request(priority="low").until_clear(["A"]).ends == NOW + MAX_MS


def test_a_silence_may_begin_later() -> None:
    made = request(site="Bern").for_time(4 * HOUR_MS, starts=NOW + DAY_MS)
    assert (made.status(NOW), made.begins_at(NOW)) == ("coming", NOW + DAY_MS)
    assert made.when() == "for 4 h"
    assert request(rule="x").recurring([Window(("Sat",), "22:00", "06:00")], "UTC").when() == "Sat 22:00-06:00 (UTC)"
