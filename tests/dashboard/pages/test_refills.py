"""Pages Refills and Rules, the files of refills, and the calendar feed behind the sign-in."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from icalendar import Calendar

from broker.store.journal_query import Query, entries
from dashboard.access import feeds
from dashboard.access.accounts import VISITOR, Visitor, add_account
from dashboard.access.feeds import FEEDS
from dashboard.app import assemble, build
from dashboard.components import refill_settings, refill_views
from dashboard.data import refill_days, refill_files, rules
from dashboard.data.clinic_days import ClinicDays
from dashboard.data.fleet_clock import FleetClock
from dashboard.data.refill_days import Choice
from dashboard.data.rules import Rates
from dashboard.data.services import DataService
from dashboard.pages import refills as page
from dashboard.pages import rule as rule_page
from dashboard.pages import rules as rules_page
from dashboard.settings import Settings
from tests.dashboard.conftest import THERAPY_MS, WALL_MS
from tests.dashboard.due import ALL_RULES, DAY_MS, due_fleet

KEY = {"key": "the-right-key"}
LARGEST = 500_000


@pytest.fixture
def data(data_of: Callable[..., DataService]) -> DataService:
    """A data service on three pumps: one overdue, one due in ten days, one without flow."""
    return data_of(due_fleet([0.0, 11.0, 20.0], flow_ul_h=[8.0, 8.0, 0.0], commanded_ul_h=[8.0] * 3))


def text_of(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def shown(data: DataService, view: str = "list", place: Any = 0, **chosen: Any) -> tuple[Any, ...]:
    return page.render(data, ClinicDays(data.settings.data), Choice(**chosen), view, place)


async def test_a_pump_without_flow_is_listed_without_a_date_and_with_the_reason(data: DataService) -> None:
    text = text_of(shown(data, span="undated")[0])
    assert "ITB-000003" in text
    assert "no date" in text
    assert "no flow, no forecast; see the alarm" in text


async def test_an_empty_fleet_and_a_quiet_one_say_so(data_of: Callable[..., DataService], fleet: Any) -> None:
    assert refill_views.NO_PUMPS in text_of(shown(data_of(fleet(0)))[0])
    assert refill_views.EMPTY in text_of(shown(data_of(due_fleet([60.0])), span="7")[0])


async def test_a_page_of_a_hundred_thousand_pumps_is_small_in_every_view(data_of: Callable[..., DataService]) -> None:
    data = data_of(due_fleet([float(n % 90) for n in range(100_000)]))
    for view, place in (("list", 0), ("list", 1_999), ("month", 0), ("week", 3)):
        answer = shown(data, view, place, span="365")
        assert 1_000 < len(text_of(answer[:3])) < LARGEST
    assert len(text_of(refill_views.sheets(data.snapshot(), _tasks(data)))) < 4 * LARGEST, "500 pumps on paper"


def _tasks(data: DataService) -> pl.DataFrame:
    found = refill_days.agenda(data.snapshot(), Choice(span="365"), ClinicDays(data.settings.data))
    return found.shown(Choice(span="365"))


async def test_a_printed_sheet_is_one_clinic_day_of_one_site_and_says_simulated(data: DataService) -> None:
    sheets = refill_views.sheets(data.snapshot(), _tasks(data))
    assert [sheet.children[0].children for sheet in sheets] == [
        "Site 0: Monday 12 Jan 2026",
        "Site 1: Thursday 22 Jan 2026",
    ]
    assert all(refill_views.MARK in text_of(sheet) for sheet in sheets)


def test_later_and_earlier_stay_within_the_pages() -> None:
    assert page.moved("refill-later", 3) == 4
    assert page.moved("refill-earlier", 0) == 0
    assert page.moved("refill-later", page.MAX_AHEAD) == page.MAX_AHEAD
    assert page.moved("refill-later", "nonsense") == 1


async def test_the_csv_has_every_task_says_simulated_and_is_recorded(data: DataService, browser_of: Any) -> None:
    async with browser_of(assemble(data).server) as client:
        answer = await client.get("/refills.csv?span=30")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["pump"], row["simulated"], row["overdue"]) for row in rows] == [
        ("ITB-000001", "simulated", "true"),
        ("ITB-000002", "simulated", "false"),
    ]
    assert rows[1]["by"] == "2026-01-22"
    recorded = entries(data.settings.data, Query(kinds=("exported",)))
    assert "refills as csv, 2 rows" in recorded["text"][0]


async def test_file_and_audit_entry_are_english_whatever_the_viewer_reads(data: DataService, browser_of: Any) -> None:
    async with browser_of(assemble(data).server) as client:
        english = await client.get("/refills.csv?span=30")
        french = await client.get("/refills.csv?span=30", headers={"Accept-Language": "fr"})
    assert french.text == english.text
    recorded = entries(data.settings.data, Query(kinds=("exported",)))["text"].to_list()
    assert recorded == ["refills as csv, 2 rows"] * 2


async def test_the_calendar_parses_and_every_entry_says_simulation_and_therapy_date(data: DataService) -> None:
    found = Calendar.from_ical(refill_files.calendar(data.snapshot(), _tasks(data)))
    events = found.walk("VEVENT")
    assert len(events) == 2, "what has no date is not in a calendar"
    for event in events:
        assert event["summary"].startswith("SIMULATION: Refill ITB-")
        assert "not dates of your calendar" in event["description"]
    assert [event.decoded("dtstart").isoformat() for event in events] == ["2026-01-12", "2026-01-22"]
    assert len({event["uid"] for event in events}) == 2


def test_dates_are_real_only_in_real_time() -> None:
    assert "calendar dates" in refill_files.clock_note(FleetClock(WALL_MS, 1.0), WALL_MS)
    assert "×60" in refill_files.clock_note(FleetClock(WALL_MS, 60.0), WALL_MS)
    assert "therapy dates" in refill_files.clock_note(FleetClock(WALL_MS + 30 * DAY_MS, 1.0), WALL_MS)


@pytest.fixture
async def signed_in(data: DataService, settings: Settings, browser_of: Any) -> Any:
    """A browser signed in with the shared key, in front of the whole dashboard."""
    application = build(dataclasses.replace(settings, key=KEY["key"]))
    async with browser_of(application) as client:
        assert (await client.get("/", params=KEY)).status_code in {200, 303}
        yield client, application, data


def as_key(application: Any) -> feeds.Feeds:
    """Return the feeds, with the shared key's visitor signed in."""
    VISITOR.set(Visitor("shared key", "engineer"))
    found = application._feeds
    FEEDS.set(found)
    return found


async def test_a_feed_needs_no_session_and_ends_when_it_is_revoked(signed_in: Any, browser_of: Any) -> None:
    client, application, data = signed_in
    known = as_key(application)
    address = refill_settings.feed_address("http://pumpwatch/refills", await known.make(), "Site 1", "refill")
    async with browser_of(application) as stranger:
        answer = await stranger.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert [str(one["location"]) for one in Calendar.from_ical(answer.content).walk("VEVENT")] == ["Site 1"]
        assert (await stranger.get("/refills.ics")).status_code == 401
        assert (await client.get("/refills.ics")).status_code == 200
        token = address.partition("/refills/")[2][:43]
        secret = (data.settings.data / "secrets" / feeds.FILE).read_text()
        assert token not in secret, "only its digest is kept"
        assert await known.revoke(known.own()[0].id)
        assert (await stranger.get(address)).status_code == 404
        assert (await stranger.get(f"/feed/refills/{'x' * 43}.ics")).status_code == 404
        assert (await stranger.get("/feed/refills/short.ics")).status_code == 401
    recorded = entries(data.settings.data, Query(kinds=("exported",)))["text"]
    assert any("calendar feed" in text for text in recorded)


async def test_a_feed_that_is_read_too_often_waits(signed_in: Any, browser_of: Any) -> None:
    _, application, _ = signed_in
    token = await as_key(application).make()
    async with browser_of(application) as stranger:
        found = [(await stranger.get(f"/feed/refills/{token}.ics?site=none")).status_code for _ in range(61)]
    assert found[:60] == [200] * 60
    assert found[60] == 429


async def test_feeds_are_bounded_and_end_with_the_shared_key(signed_in: Any) -> None:
    _, application, data = signed_in
    known = as_key(application)
    tokens = [await known.make() for _ in range(feeds.MAX_PER_PERSON)]
    with pytest.raises(Exception, match="5 calendar feeds"):
        await known.make()
    assert known.read(tokens[0]).name == "shared key"
    add_account(data.settings.data, "maria", "viewer", "correct horse")
    assert known.read(tokens[0]).name == "", "from now on the shared key signs nobody in"
    VISITOR.set(Visitor("stranger by provider", "viewer"))
    with pytest.raises(Exception, match="identity provider"):
        await known.make()


async def test_only_engineers_set_clinic_days(data: DataService) -> None:
    clinic = ClinicDays(data.settings.data)
    VISITOR.set(Visitor("olga", "operator"))
    assert "only engineers" in text_of(await refill_settings.set_clinic(data, clinic, "Site 1", ["Mon"]))
    VISITOR.set(Visitor("eva", "engineer"))
    assert "choose a site" in text_of(await refill_settings.set_clinic(data, clinic, "Nowhere", ["Mon"]))
    assert "at least one" in text_of(await refill_settings.set_clinic(data, clinic, "Site 1", []))
    assert "Site 1: Mon" in text_of(await refill_settings.set_clinic(data, clinic, "Site 1", ["Mon"]))
    assert clinic.of("Site 1") == ("Mon",)
    assert entries(data.settings.data, Query(kinds=("setting_changed",)))["who"].to_list() == ["eva"]


def test_rules_are_found_by_title_measurement_or_action_the_highest_priority_first(data: DataService) -> None:
    snapshot = data.snapshot()
    every = rules.found(snapshot)
    assert every.height == ALL_RULES.height
    assert every["priority"].is_sorted()
    assert "motor_stall" in rules.found(snapshot, "ROTOR turns")["rule"].to_list()
    assert rules.found(snapshot, "no such words").is_empty()
    assert set(rules.found(snapshot, priority="3")["priority"]) == {3}
    assert rules.found(snapshot, only_open=True).is_empty()


def test_a_rule_counts_its_open_alarms_and_links_to_them(data_of: Callable[..., DataService], fleet: Any) -> None:
    alarmed = fleet(30, alarms=3)
    alarms = alarmed.alarms.with_columns(pl.lit("motor_stall").alias("rule"))
    data = data_of(dataclasses.replace(alarmed, alarms=alarms, rules=ALL_RULES))
    found = rules.found(data.snapshot(), "motor_stall").filter(pl.col("rule") == "motor_stall")
    body, note = rules_page.render(found, Rates({"motor_stall": 12}, 30 * DAY_MS), ALL_RULES.height)
    text = text_of(body)
    assert "/alarms?rule=motor_stall" in text
    assert "12 in 30 d, 0.4 a day" in text
    assert "limit 88 % (normally 100 %)" in text
    assert "13 min, 1 h" in text
    assert note.startswith("1 rule of")


def test_rates_count_what_was_annunciated_in_the_last_month(data: DataService) -> None:
    events = data.events()
    made = pl.DataFrame(
        {
            "time": [THERAPY_MS - days * DAY_MS for days in (1, 2, 40)],
            "alarm": ["a", "b", "c"],
            "kind": ["raised"] * 3,
            "rule": ["motor_stall"] * 3,
        }
    )
    padded = pl.concat([events, made], how="diagonal_relaxed")
    found = rules.rates(padded, data.snapshot())
    assert found.counts == {"motor_stall": 2}
    assert found.text("motor_stall") == "2 in 2 d, 1 a day"
    assert rules.rates(events, data.snapshot()).text("motor_stall") == "no alarms yet"


def test_a_rule_has_a_page_with_its_consequences_and_pictures_of_its_faults(data: DataService) -> None:
    text = text_of(rule_page.body(data.snapshot(), "motor_stall"))
    assert "Motor stall" in text
    assert "Under-delivery" in text, "what it suppresses, by title"
    assert "after 13 min at the limit" in text
    assert "scatter" in text_of(rule_page.pictures(data.snapshot(), "motor_stall", "dark"))
    assert "There is no rule nonsense" in text_of(rule_page.body(data.snapshot(), "nonsense"))


async def test_no_answer_with_all_rules_is_large(data: DataService) -> None:
    found = rules.found(data.snapshot())
    assert len(text_of(rules_page.render(found, Rates({}, 0), found.height)[0])) < LARGEST
