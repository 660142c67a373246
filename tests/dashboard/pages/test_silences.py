"""The page Silences: what it previews, who may silence, and the mark on the alarms."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from broker.contract.silences import HOUR_MS
from broker.store import journal_query
from broker.store.journal_query import Query
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import silence_views
from dashboard.data import silencing
from dashboard.data.alarm_rows import FIELDS
from dashboard.data.services import DataService
from dashboard.data.silencing import Asked, Silencing
from dashboard.pages import alarms, silences
from dashboard.zones import ZONE, zone

DataOf = Callable[[Snapshot], DataService]


@pytest.fixture
def data(data_of: DataOf, fleet: Any) -> DataService:
    return data_of(fleet(100))


def asked(**changes: Any) -> Asked:
    return Asked(**({"match": {"priority": ["low"]}, "reason": "pump clinic", "minutes": 60} | changes))


def text(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def test_the_preview_counts_what_would_be_silenced_now(data: DataService) -> None:
    service = Silencing(data)
    shown = text(silences.previewed(service, asked(match={"site": ["Site 0", "Site 1"]}, reason="")))
    assert "Would silence 4 open alarms now, 1 of them high." in shown
    assert "could cover alarms of high priority may last" in text(
        silences.previewed(service, asked(match={"site": ["Site 0"]}, minutes=72 * 60))
    )
    assert silences.NO_SIGNAL in text(silences.previewed(service, asked(match={})))
    assert "'urgent'" in text(silences.previewed(service, asked(match={"priority": ["urgent"]})))


async def test_an_operator_silences_and_the_alarms_say_so(data: DataService) -> None:
    VISITOR.set(Visitor("olga", "operator"))
    answer = await Silencing(data).add(asked())
    assert (answer.text, answer.good) == ("Silenced for 1 h. Matching now: 3 open alarms.", True)
    rows = [dict(zip(("number", *FIELDS), row, strict=True)) for row in alarms.changes(data, 0, 0)["rows"]]
    quiet = {(row["priority"], row["quiet"], row["quiet_by"]) for row in rows}
    assert (3, data.now() + HOUR_MS, "olga (pump clinic)") in quiet
    assert all(by is None for priority, _, by in quiet if priority != 3), "other alarms have no mark"
    [alarm] = data.snapshot().alarms.filter(priority=3)["alarm"].head(1)
    assert "by olga: pump clinic" in silencing.story(data, data.snapshot(), alarm)[0]
    shown = text(silences.render(data, None))
    assert "Priority low" in shown
    assert "3 open alarms" in shown
    assert "End now" in shown
    [silence] = data.silences.silences()
    assert (await Silencing(data).end(silence.id)).good
    kinds = journal_query.entries(data.settings.data, Query(people_only=True))["kind"].to_list()
    assert kinds == ["silence_ended", "silenced"]


async def test_a_viewer_may_not_silence_and_the_attempt_is_recorded(data: DataService) -> None:
    VISITOR.set(Visitor("vera", "viewer"))
    assert "silence-add" not in text(silences.layout(data))
    answer = await Silencing(data).add(asked())
    assert answer.text == "Not silenced: only operators, engineers and admins may silence alarms."
    assert data.silences.silences() == ()
    assert journal_query.entries(data.settings.data, Query())["kind"].to_list() == ["denied"]
    assert not (await Silencing(data).end("S1")).good


async def test_what_is_over_by_itself_is_announced_on_the_page(data: DataService) -> None:
    VISITOR.set(Visitor("olga", "operator"))
    await Silencing(data).add(asked(kind="until_clear", match={"rule": ["rule_2"]}))
    [silence] = data.silences.silences()
    assert Silencing(data).settle() == [], "its alarms are open"
    data.silences.settle({silence.id}, data.now())
    shown = text(silences.render(data, None))
    assert "Over since" in shown
    known, now = data.silences.silences(), data.now()
    banner = text(silence_views.notice(known, silencing.expired_lately(known, now), now))
    assert "People are notified again" in banner, "the page Alarms says so too"
    assert "People are notified again" in shown


def test_whatever_a_browser_sends_is_read_or_ignored() -> None:
    fields = tuple([["low", 5, ""]] + [None] * 6)
    found = silences.asked_of((*fields, "nonsense", "7", "x", 5, None, 9, "many", "tomorrow", None))
    assert (dict(found.match), found.kind, found.minutes, found.recurs_d) == ({"priority": ["low"]}, "for_time", 0, 0)
    assert found.starts == "tomorrow"


async def test_a_silence_may_begin_later_and_the_preview_says_when(data: DataService) -> None:
    VISITOR.set(Visitor("olga", "operator"))
    ZONE.set(zone("Europe/Zurich"))
    begins = data.now() // 60_000 * 60_000 + 3 * HOUR_MS
    local = datetime.fromtimestamp(begins / 1000, zone("Europe/Zurich")).strftime("%Y-%m-%d %H:%M")
    given = (["low"], *[None] * 6, "for_time", "60", None, None, None, None, None, local, "pump clinic")
    later = silences.asked_of(given)
    shown = text(silences.previewed(Silencing(data), later))
    assert f"silence 3 open alarms from {formatting.moment(begins)} if they are still open then, 0 of them" in shown
    answer = await Silencing(data).add(later)
    assert answer.text == (
        f"Alarms will be silenced for 1 h from {formatting.moment(begins)}. Matching now: 3 open alarms."
    )
    [silence] = data.silences.silences()
    assert (silence.starts, silence.status(data.now())) == (begins, "coming")
    assert silencing.marks(data.silences, data.snapshot(), data.now()).is_empty(), "nobody misses a message before it"
    for wrong, problem in (
        ("2099-01-01", "allowed are 366 d"),
        ("tomorrow", "write it as 2026-01-31 22:00"),
        ("1999-01-01 00:00", "is over; leave it blank"),
        ("2026-13-01 00:00", "write it as 2026-01-31 22:00"),
    ):
        shown = text(silences.previewed(Silencing(data), Asked(**{**vars(later), "starts": wrong})))
        assert problem in shown, wrong


def test_on_a_phone_the_list_comes_before_the_form(data: DataService) -> None:
    VISITOR.set(Visitor("olga", "operator"))
    shown = text(silences.layout(data))
    assert shown.index("silence-list-card") < shown.index("silence-form-card")
