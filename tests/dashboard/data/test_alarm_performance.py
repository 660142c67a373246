"""Alarm performance metrics from the journal: each one counted by hand on a few entries."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from broker.store.journal import EVENTS_SCHEMA, Journal
from dashboard.data import alarm_performance
from dashboard.data.alarm_performance import DAY_MS, HOUR_MS, MINUTE_MS
from dashboard.pages import alarm_health as page

START = 1_768_176_000_000
"""12 January 2026, 00:00 UTC."""
SECOND = 1000


def journal_of(*rows: tuple[int, str, str], priority: int = 3, **more: Any) -> pl.DataFrame:
    """Return a journal, newest first, from (ms after the start, kind, subject), oldest first."""
    entries = [
        {**dict.fromkeys(EVENTS_SCHEMA), "at": at, "time": START + at, "kind": kind, "pump": subject, "rule": "low",
         "title": "Battery low", "priority": priority, "alarm": f"{subject}/low/1",
         "subject": subject, "subject_kind": "pump", **more}
        for at, kind, subject in rows
    ]  # fmt: skip
    return pl.DataFrame(entries, EVENTS_SCHEMA, orient="row").reverse()


def raised(*times: int, subject: str = "P-{}") -> pl.DataFrame:
    return journal_of(*((at, "raised", subject.format(place)) for place, at in enumerate(times)))


def value(found: alarm_performance.Report, name: str) -> tuple[float | None, bool | None]:
    return next((metric.value, metric.good) for metric in found.metrics if metric.name == name)


def test_suppressed_and_shelved_alarms_are_not_annunciated() -> None:
    events = journal_of(
        (0, "raised", "cause"),
        (0, "raised", "effect"),
        (0, "held", "effect"),
        (5, "raised", "later"),
        (9, "held", "later"),
        (20, "released", "effect"),
        (30, "shelved", "cause"),
        (40, "returned", "cause"),
        (50, "raised", "cause"),
        (60, "unshelved", "cause"),
        (70, "realarmed", "cause"),
    )
    annunciations = alarm_performance.annunciated(events)
    assert annunciations.select("time", "subject").rows() == [
        (START, "cause"), (START + 5, "later"), (START + 20, "effect"), (START + 70, "cause"),
    ]  # fmt: skip


def test_the_load_is_counted_in_bins_of_ten_minutes_including_empty_ones() -> None:
    annunciations = alarm_performance.annunciated(raised(0, 60_000, 25 * MINUTE_MS))
    found = alarm_performance.load(annunciations, START, START + 35 * MINUTE_MS)
    assert found["alarms"].to_list() == [2, 0, 1, 0]


def test_rates_are_per_operator_over_the_evaluated_time() -> None:
    events = raised(*(at * 6 * MINUTE_MS for at in range(480)))
    alone, both = (alarm_performance.report(events, START + 2 * DAY_MS, people) for people in (1, 2))
    assert value(alone, "Alarms per day") == (pytest.approx(240), False)
    assert value(alone, "Alarms per hour") == (pytest.approx(10), True)
    assert value(both, "Alarms per day") == (pytest.approx(120), True)
    assert value(both, "Alarms per 10 min") == (pytest.approx(10 / 12), True)
    assert value(alone, "Peak per 10 min") == (2, True)


def test_a_flood_begins_above_ten_in_ten_minutes_and_ends_below_five() -> None:
    burst = [at * 30 * SECOND for at in range(12)]
    annunciations = alarm_performance.annunciated(raised(*burst))
    found = alarm_performance.floods(annunciations, START + HOUR_MS)
    assert found["begin"].to_list() == [START + 10 * 30 * SECOND]
    assert found["end"].to_list() == [START + 7 * 30 * SECOND + 10 * MINUTE_MS]
    assert found["alarms"].to_list() == [12]
    assert alarm_performance.floods(annunciations, START + HOUR_MS, operators=2).is_empty()
    lasting = alarm_performance.floods(annunciations, START + 6 * MINUTE_MS)
    assert lasting["end"].to_list() == [None]
    assert alarm_performance.floods(alarm_performance.annunciated(raised(*burst[:10])), START + HOUR_MS).is_empty()


def test_time_in_flood_is_a_share_of_the_evaluated_time() -> None:
    events = raised(*(at * 30 * SECOND for at in range(12)))
    found = alarm_performance.report(events, START + 10 * HOUR_MS)
    assert value(found, "Time in flood") == (pytest.approx(100 * 8.5 / 600), False)


def test_three_annunciations_within_a_minute_are_chattering() -> None:
    often = journal_of(*((at * 25 * SECOND, kind, "P") for at in range(3) for kind in ("raised", "returned")))
    seldom = journal_of(*((at * 35 * SECOND, "raised", "P") for at in range(3)))
    assert alarm_performance.chattering(alarm_performance.annunciated(often)).rows() == [("P", "low")]
    assert alarm_performance.chattering(alarm_performance.annunciated(seldom)).is_empty()


def test_an_alarm_raised_once_that_returned_within_a_minute_without_action_is_fleeting() -> None:
    events = journal_of(
        (0, "raised", "brief"), (40_000, "returned", "brief"),
        (0, "raised", "seen"), (10_000, "acknowledged", "seen"), (40_000, "returned", "seen"),
        (0, "raised", "long"), (61_000, "returned", "long"),
        (0, "raised", "twice"), (9, "returned", "twice"), (20, "raised", "twice"), (30, "returned", "twice"),
    )  # fmt: skip
    assert alarm_performance.fleeting(events)["alarm"].to_list() == ["brief/low/1"]


def test_an_alarm_standing_for_more_than_a_day_is_stale() -> None:
    events = journal_of(
        (0, "raised", "old"), (0, "raised", "over"), (5, "returned", "over"), (DAY_MS, "raised", "young")
    )
    assert alarm_performance.stale(events, START + DAY_MS + 1)["alarm"].to_list() == ["old/low/1"]
    assert alarm_performance.stale(events, START + DAY_MS).is_empty()


def test_the_ten_bad_actors_are_listed_with_their_share() -> None:
    many = [(at, "raised", f"P-{at % 20}") for at in range(100)] + [(200 + at, "raised", "worst") for at in range(100)]
    found = alarm_performance.bad_actors(alarm_performance.annunciated(journal_of(*many)))
    assert found.height == alarm_performance.MAX_BAD_ACTORS
    assert found.select("subject", "alarms", "share").row(0) == ("worst", 100, 0.5)


def test_the_priority_distribution_is_compared_with_80_15_5() -> None:
    events = pl.concat([journal_of((at, "raised", f"{p}-{at}"), priority=p) for p, n in ((1, 5), (2, 5), (3, 10))
                        for at in range(n)])  # fmt: skip
    found = alarm_performance.mix(alarm_performance.annunciated(events))
    assert found.select("priority", "share", "target").rows() == [(1, 0.25, 0.05), (2, 0.25, 0.15), (3, 0.5, 0.8)]
    assert value(alarm_performance.report(events, START + HOUR_MS), "High priority") == (25, False)


def test_an_empty_journal_misses_no_target() -> None:
    found = alarm_performance.report(journal_of(), START)
    assert found.annunciated == 0
    assert not [metric.name for metric in found.metrics if metric.good is False]


@pytest.mark.parametrize("operators", [1, None, "many", 10**9, 0])
def test_the_page_shows_each_metric_with_its_target_and_age(operators: Any, fleet: Any, data_of: Any) -> None:
    data = data_of(fleet(3))
    journal = Journal(data.settings.data)
    journal.append(journal_of(*((at * 30 * SECOND, "raised", f"P-{at}") for at in range(12))).reverse())
    journal.close()
    metrics, note, figure, *_ = page.render(data, operators, "light")
    texts = str([metric.to_plotly_json() for metric in metrics])
    assert len(metrics) == 10
    assert "target at most 10" in texts
    assert "12 alarms annunciated in" in note
    assert "data 0 s old" in note
    assert sum(figure["data"][0]["y"]) == 12
