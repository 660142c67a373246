"""Times in the zone of the person who looks, with its name, through every change of the clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import formatting, zones
from dashboard.zones import ZONE, ViewerZone, chart_zone, zone

NOON_MS = 1_768_221_120_000
"""12 January 2026, 12:32 UTC."""


@pytest.fixture
def new_york() -> Iterator[None]:
    token = ZONE.set(ZoneInfo("America/New_York"))
    yield
    ZONE.reset(token)


@pytest.mark.usefixtures("new_york")
def test_a_viewer_in_new_york_reads_local_times_with_their_zone() -> None:
    assert formatting.moment(NOON_MS) == "12 Jan 2026, 07:32 UTC−5"
    assert formatting.second(NOON_MS) == "07:32:00 UTC−5"
    assert formatting.clock(NOON_MS) == "07:32 UTC−5"
    assert formatting.day(1_768_176_000_000) == "11 Jan 2026", "midnight UTC is the evening before"


@pytest.mark.usefixtures("new_york")
def test_the_hour_that_comes_twice_in_autumn_is_told_apart_and_none_is_missing_in_spring() -> None:
    autumn = [int(datetime(2026, 11, 1, hour, 30, tzinfo=UTC).timestamp() * 1000) for hour in (5, 6)]
    assert [formatting.clock(ms) for ms in autumn] == ["01:30 UTC−4", "01:30 UTC−5"]
    spring = [int(datetime(2026, 3, 8, hour, 30, tzinfo=UTC).timestamp() * 1000) for hour in (6, 7)]
    assert [formatting.clock(ms) for ms in spring] == ["01:30 UTC−5", "03:30 UTC−4"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Asia/Kolkata", "12 Jan 2026, 18:02 UTC+5:30"),
        ("Pacific/Kiritimati", "13 Jan 2026, 02:32 UTC+14"),
        ("UTC", "12 Jan 2026, 12:32 UTC"),
    ],
)
def test_zones_with_half_hours_and_beyond_the_date_line(name: str, text: str) -> None:
    token = ZONE.set(zone(name))
    assert formatting.moment(NOON_MS) == text
    ZONE.reset(token)


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America", "zone.tab", "x" * 200, "a\x00b", "Europe/"],
)
def test_a_zone_that_does_not_exist_is_utc(name: str) -> None:
    assert zone(name) is UTC


@given(st.text())
def test_no_name_of_a_zone_raises(name: str) -> None:
    assert isinstance(zone(name), tzinfo)


@given(st.one_of(st.integers(), st.none()), st.sampled_from(["UTC", "America/New_York", "Pacific/Kiritimati"]))
def test_no_time_raises_in_any_zone(ms: int | None, name: str) -> None:
    token = ZONE.set(zone(name))
    for write in (formatting.moment, formatting.second, formatting.day, formatting.clock):
        assert write(ms)
    assert chart_zone(ms or 0).label.startswith("UTC")
    ZONE.reset(token)


@pytest.mark.parametrize(
    ("cookie", "name"),
    [
        (b"zone=Europe/Berlin", "UTC+1"),
        (b"session=abc; zone=America/New_York; other=1", "UTC−5"),
        (b'broken="; {zone}; zone=Asia/Kolkata', "UTC+5:30"),
        (b"zone=nonsense", "UTC"),
        (b"", "UTC"),
    ],
)
async def test_the_browser_names_its_zone_in_a_cookie(cookie: bytes, name: str) -> None:
    seen = []

    async def page(*_: object) -> None:
        seen.append(formatting.second(NOON_MS).partition(" ")[2])

    await ViewerZone(page)({"type": "http", "headers": [(b"cookie", cookie)]}, None, None)
    assert seen == [name]
    ZONE.set(UTC)


def test_a_chart_has_one_offset_for_all_its_points() -> None:
    token = ZONE.set(ZoneInfo("America/New_York"))
    assert chart_zone(NOON_MS) == zones.ChartZone(-5 * 3_600_000, "UTC−5")
    ZONE.reset(token)
