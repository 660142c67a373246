"""Page History: which alarms there were, who acknowledged them and how long that took."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from typing import Any

import polars as pl
import pytest

from broker.store.journal import Journal
from broker.store.journal_query import Query, entries
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble
from dashboard.components import address
from dashboard.data import alarm_history
from dashboard.data.alarm_history import filter_of
from dashboard.data.occurrences import Occurrences, occurrences
from dashboard.data.services import DataService
from dashboard.pages import history
from dashboard.zones import ZONE
from tests.dashboard.conftest import THERAPY_MS, WALL_MS

MINUTE = 60_000
EMPTY = ("", "", "", "", "", "", "", "", "", 1)
"""The controls of the page as it opens."""


def alarm(pump: str, rule: str, *course: tuple[str, int, str | None], priority: int = 1, **more: Any) -> list[Any]:
    """Return the journal entries of an alarm: kind, minutes before now, and who."""
    fixed: dict[str, Any] = {
        "pump": pump,
        "subject": pump,
        "subject_kind": "pump",
        "rule": rule,
        "title": rule.replace("_", " "),
    }
    fixed |= {"priority": priority, "alarm": f"{pump}/{rule}/1", **more}
    return [
        {**fixed, "kind": kind, "at": WALL_MS - before * MINUTE, "time": THERAPY_MS - 60 * before * MINUTE, "who": who}
        for kind, before, who in course
    ]


NIGHT = [
    *alarm("ITB-000001", "no_flow", ("raised", 300, None), ("acknowledged", 296, "maria"), ("returned", 120, None)),
    *alarm("ITB-000002", "no_flow", ("raised", 200, None), ("acknowledged", 140, "jo"), ("shelved", 139, "jo")),
    *alarm("ITB-000003", "low_battery", ("raised", 100, None), priority=3),
    *alarm("ITB-000002", "under_delivery", ("raised", 90, None), priority=2, cause="no_flow"),
]


@pytest.fixture
def data(fleet: Any, data_of: Callable[..., DataService]) -> DataService:
    data = data_of(fleet(10))
    journal = Journal(data.settings.data)
    journal.append(pl.DataFrame(sorted(NIGHT, key=lambda one: one["at"]), infer_schema_length=None))
    journal.close()
    return data


@pytest.fixture
def viewer() -> Iterator[None]:
    token = VISITOR.set(Visitor("vera", "viewer"))
    yield
    VISITOR.reset(token)


def chosen(**values: str) -> tuple[Any, ...]:
    return (*(values.get(name, "") for name in history.FILTERS), 1)


def shown(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def test_each_alarm_is_shown_with_who_acknowledged_it_and_after_how_long(data: DataService) -> None:
    (rows, figures, note, pages, rules, _, *_), _ = history.render(data, EMPTY)
    page = shown(rows)
    assert '"4 min"' in page
    assert '"maria"' in page
    assert '"1 h"' in page
    assert "by jo" in page
    assert "not acknowledged" in page
    assert '"suppressed"' in page
    assert '"standing"' in page
    assert "2 of" not in page
    words = shown(figures)
    assert "of 3 annunciated" in words
    assert "1 suppressed throughout" in words
    assert (note, pages) == ("4 alarms, page 1 of 1.", 1)
    assert [rule["label"] for rule in rules] == ["Any", "low battery", "no flow", "under delivery"]


@pytest.mark.parametrize(
    ("values", "pumps"),
    [
        ({"pump": "itb-000002"}, ["ITB-000002", "ITB-000002"]),
        ({"person": "Maria"}, ["ITB-000001"]),
        ({"person": "jo", "rule": "no_flow"}, ["ITB-000002"]),
        ({"rule": "no_flow"}, ["ITB-000002", "ITB-000001"]),
        ({"priority": "low"}, ["ITB-000003"]),
        ({"site": "Site 1"}, ["ITB-000002", "ITB-000002"]),
        ({"acknowledged": "no"}, ["ITB-000003"]),
        ({"acknowledged": "yes"}, ["ITB-000002", "ITB-000001"]),
        ({"first": "2026-09-22"}, []),
        ({"first": "2026-09-21", "last": "2026-09-21", "rule": "no_flow"}, ["ITB-000002", "ITB-000001"]),
        ({"last": "2026-09-20"}, []),
        ({"period": "8", "priority": "nonsense", "first": "no day", "rule": "low_battery"}, ["ITB-000003"]),
    ],
)  # fmt: skip
def test_alarms_are_found_by_pump_person_rule_priority_site_and_time(
    data: DataService, values: dict[str, str], pumps: list[str]
) -> None:
    found = history.chosen(data, data.occurrences.known(), chosen(**values))
    assert found["pump"].to_list() == pumps


def test_a_day_is_a_day_of_the_viewer() -> None:
    far = timezone(timedelta(hours=12))
    day = filter_of({"first": "2026-09-22", "last": "2026-09-22"}, WALL_MS, far)
    assert day.since is not None
    assert day.until == day.since + 24 * 3_600_000 - 1
    assert day.since == 1_789_992_000_000


def test_the_median_and_p95_are_those_of_what_is_shown(data: DataService) -> None:
    found = history.chosen(data, data.occurrences.known(), chosen())
    times = alarm_history.response_times(found)
    assert (times.alarms, times.acknowledged, times.suppressed) == (4, 2, 1)
    assert {times.median_s, times.p95_s} <= {240.0, 3600.0}
    one = alarm_history.response_times(history.chosen(data, data.occurrences.known(), chosen(person="maria")))
    assert (one.median_s, one.p95_s) == (240.0, 240.0)


def test_an_alarm_that_was_suppressed_counts_from_its_release() -> None:
    course = (("raised", 50, None), ("held", 50, None), ("released", 20, None), ("acknowledged", 15, "jo"))
    numbered = [dict(entry, id=number) for number, entry in enumerate(alarm("A-1", "no_flow", *course), 1)]
    found = occurrences(pl.DataFrame(numbered, infer_schema_length=None).with_columns(cause=pl.lit(None, pl.String)))
    assert found["response_ms"].to_list() == [5 * MINUTE]


def test_what_happens_next_is_added_without_reading_the_journal_again(data: DataService) -> None:
    known = data.occurrences.known()
    assert data.occurrences.known() is known
    journal = Journal(data.settings.data)
    journal.append(pl.DataFrame(alarm("ITB-000003", "low_battery", ("acknowledged", 0, "sam"))))
    journal.close()
    found = data.occurrences.known().found
    assert found.filter(pl.col("rule") == "low_battery")["acknowledged_by"].to_list() == ["sam"]
    assert found.height == known.found.height


def test_a_long_journal_is_searched_as_far_back_as_the_page_says(data: DataService) -> None:
    known = Occurrences(data.settings.data, limit=4).known()
    assert not known.complete
    assert "The journal was searched back to 21 Sep 2026, 11:5" in history.note(known, 1, 1, 1)


async def test_an_export_has_what_was_chosen_and_is_in_the_audit_log(data: DataService, viewer: None) -> None:
    file, notices = await history.exported(data, chosen(rule="no_flow"))
    rows = list(csv.DictReader(io.StringIO(file["content"])))
    assert [(row["subject"], row["acknowledged_by"], row["acknowledged_after_s"]) for row in rows] == [
        ("ITB-000002", "jo", "3600.0"),
        ("ITB-000001", "maria", "240.0"),
    ]
    assert notices[0]["message"] == "Exported 2 alarms."
    entry = entries(data.settings.data, Query(who="vera")).row(0, named=True)
    assert (entry["kind"], entry["text"]) == ("exported", "alarm history, 2 occurrences: rule no_flow")


def test_a_hundred_thousand_occurrences_are_filtered_in_less_than_a_second_of_computing(data: DataService) -> None:
    known = data.occurrences.known()
    many = known.found.join(pl.select(n=pl.int_range(25_000)), how="cross").drop("n")
    places = history.places(data)
    began = time.process_time()
    found = alarm_history.matching(many, filter_of({"person": "maria"}, WALL_MS, ZONE.get()), places)
    assert alarm_history.response_times(found).acknowledged == 25_000
    assert time.process_time() - began < 1


def test_a_link_opens_the_history_as_it_was_filtered(data: DataService) -> None:
    assemble(data)
    values, note = address.asked("/history", "?person=maria&rule=no_flow&priority=high&page=3&period=nonsense")
    assert values == {"person": "maria", "rule": "no_flow", "priority": "high", "page": 3}
    assert "The address asks for period “nonsense”" in note
    assert {control.id for control in address.controls_of("/history").values()} <= set(history.layout())
