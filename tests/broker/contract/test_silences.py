"""When silences are active, what they cover, and which ones are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from broker.contract.silences import HOUR_MS, Silence, SilenceError, Window, checked, silenced

BERN = "Europe/Zurich"


def at(text: str, zone: str = BERN) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


NOW = at("2026-03-02 12:00")
ALARM = {"alarm": "P1/stall/1", "site": "Bern", "priority": "low", "rule": "stall"}


def silence(**changes: Any) -> Silence:
    fields: dict[str, Any] = {
        "id": "S1",
        "match": {"site": "Bern", "priority": "low"},
        "reason": "pump clinic",
        "who": "olga",
        "created": NOW,
        "kind": "for_time",
        "starts": NOW,
        "ends": NOW + 4 * HOUR_MS,
    }
    return Silence(**(fields | changes))


def nights(**changes: Any) -> Silence:
    window = Window(("Sat",), "22:00", "06:00")
    return silence(kind="windows", windows=(window,), zone=BERN, ends=NOW + 60 * 24 * HOUR_MS, **changes)


def test_a_silence_for_a_time_covers_what_matches_until_it_ends() -> None:
    found = silenced([silence()], ALARM, NOW + HOUR_MS)
    assert found is not None
    assert found.until == NOW + 4 * HOUR_MS
    assert silenced([silence()], ALARM, NOW + 4 * HOUR_MS) is None, "the end is not part of it"
    assert silenced([silence()], {**ALARM, "site": "Thun"}, NOW) is None
    assert silenced([silence(ended=NOW)], ALARM, NOW) is None, "somebody ended it"


def test_of_two_silences_the_longer_one_is_named() -> None:
    found = silenced([silence(), silence(id="S2", ends=NOW + 9 * HOUR_MS), silence(id="S3")], ALARM, NOW)
    assert found is not None
    assert found.silence.id == "S2"


def test_a_silence_until_alarms_clear_covers_only_the_alarms_there_were() -> None:
    one = silence(kind="until_clear", alarms=("P1/stall/1",))
    assert one.covers(ALARM)
    assert not one.covers({**ALARM, "alarm": "P1/stall/2"}), "a new alarm is notified"
    assert not one.cleared(["P1/stall/1", "P2/leak/7"])
    assert one.cleared(["P2/leak/7"])
    assert not silence().cleared([])


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    found = nights()
    assert found.status(NOW) == "coming"
    assert found.begins_at(NOW) == at("2026-03-07 22:00")
    assert found.active_until(at("2026-03-07 21:59")) is None
    assert found.active_until(at("2026-03-08 05:59")) == at("2026-03-08 06:00")
    assert found.active_until(at("2026-03-08 23:00")) is None, "Sunday night is not Saturday night"


def test_a_window_keeps_its_time_of_day_when_the_clocks_change() -> None:
    before, after = at("2026-03-28 22:00"), at("2026-03-29 06:00")
    assert after - before == 7 * HOUR_MS, "clocks go forward in this night"
    assert nights().active_until(before) == after
    assert nights().active_until(after - 1) == after


def test_a_silence_that_recurs_is_over_after_its_last_window() -> None:
    ends = at("2026-03-08 12:00")
    short = silence(kind="windows", windows=(Window(("Sat",), "22:00", "06:00"),), zone=BERN, ends=ends)
    assert short.status(at("2026-03-07 20:00")) == "coming"
    assert short.status(at("2026-03-08 07:00")) == "expired"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"match": {}}, "the silence names no alarms; name at least one of site"),
        ({"match": {"priority": "urgent"}}, r"match\.priority is 'urgent'"),
        ({"reason": " "}, "the reason has 1 characters; allowed are 1 to 500"),
        ({"ends": NOW + 15 * 24 * HOUR_MS}, "the silence lasts 15 d; a silence may last 1 min to 14 d"),
        (
            {"match": {"site": "Bern"}, "ends": NOW + 25 * HOUR_MS},
            "lasts 25 h; a silence that could cover alarms of high priority may last 1 min to 24 h",
        ),
        ({"ends": NOW}, "the silence lasts 0 s"),
        ({"kind": "until_clear"}, "no open alarm matches; until they clear, 1 to 1,000 can be silenced"),
        ({"kind": "windows"}, "the silence has 0 windows; allowed are 1 to 14"),
        ({"kind": "windows", "windows": (Window(("Sat",), "9", "10:00"),)}, "'9' is no time of day"),
        ({"kind": "windows", "windows": (Window(("Someday",), "09:00", "10:00"),)}, "a window is on Someday"),
        ({"kind": "windows", "windows": (Window(("Sat",), "09:00", "08:00"),)}, "is longer than 12 h"),
        ({"kind": "windows", "windows": (Window(("Sat",), "09:00", "10:00"),), "zone": "Bern"}, "is no time zone"),
        (
            {"match": {"site": "Bern"}, "kind": "windows", "windows": (Window(("Mon", "Tue", "Wed", "Thu", "Fri"),
                                                                            "07:00", "18:00"),)},
            "the windows cover 55 h a week; .* allowed are 50 h",
        ),
    ],
)  # fmt: skip
def test_a_silence_that_hides_too_much_or_says_too_little_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SilenceError, match=sentence):
        checked(silence(**changes))


def test_valid_silences_are_returned_as_they_are() -> None:
    assert checked(nights()) == nights()
    assert nights().text() == "site Bern; priority low (pump clinic)"
