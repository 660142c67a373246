"""What browsers get of the lists of alarms: everything once, then what changed, never more than is bounded."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import polars as pl
import pytest

from broker.store.snapshot import Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble, build
from dashboard.data.alarm_rows import FIELDS, AlarmRows
from dashboard.data.row_feed import MAX_REMOVALS, RowFeed
from dashboard.pages import alarms as page
from tests.dashboard.conftest import WALL_MS

WORDS = ("key", "state", "left")


class Follower:
    """A browser: takes answers in as `row-store.js` does."""

    def __init__(self) -> None:
        self.run = self.cursor = 0
        self.rows: dict[int, list[Any]] = {}

    def take(self, answer: dict[str, Any]) -> dict[str, Any]:
        if answer["reset"]:
            self.rows.clear()
        for number, *values in answer["rows"]:
            self.rows[number] = values
        for number, *pairs in answer["changed"]:
            for at, value in pairs:
                self.rows[number][at] = value
        for number in answer["gone"]:
            self.rows.pop(number, None)
        self.run, self.cursor = answer["run"], answer["cursor"]
        return answer

    def follow(self, feed: RowFeed, limit: int = 1000) -> int:
        """Ask until there is no more; return how many rows came."""
        came = 0
        while True:
            answer = self.take(feed.since(self.run, self.cursor, limit))
            came += len(answer["rows"]) + len(answer["changed"])
            if not answer["more"]:
                return came


def test_a_browser_gets_only_what_changed_since_its_last_answer() -> None:
    feed, browser = RowFeed(WORDS, run=7), Follower()
    feed.update([("a", "open", 1), ("b", "open", 2)])
    assert browser.follow(feed) == 2
    assert browser.follow(feed) == 0
    feed.update([("a", "acknowledged", 1), ("b", "open", 2)])
    answer = feed.since(browser.run, browser.cursor)
    assert answer["changed"] == [[1, [1, "acknowledged"]]]
    assert not answer["rows"]
    browser.take(answer)
    feed.update([("b", "open", 2), ("c", "open", 3)])
    browser.follow(feed)
    assert sorted(browser.rows.values()) == [["b", "open", 2], ["c", "open", 3]]


def test_a_long_list_comes_in_bounded_answers_and_changes_meanwhile_are_not_lost() -> None:
    feed, browser = RowFeed(WORDS, run=7), Follower()
    feed.update([(f"{number}", "open", number) for number in range(2500)])
    first = browser.take(feed.since(0, 0, 1000))
    assert (len(first["rows"]), first["more"], first["total"]) == (1000, True, 2500)
    assert first["rows"][0] == [1, "0", "open", 0]
    feed.update([(f"{number}", "acknowledged" if number < 10 else "open", number) for number in range(5, 2500)])
    browser.follow(feed)
    assert sorted(row[2] for row in browser.rows.values()) == list(range(5, 2500))
    assert [row[1] for row in browser.rows.values() if row[2] < 10] == ["acknowledged"] * 5


def test_a_browser_of_another_run_or_that_missed_too_much_starts_again() -> None:
    feed, browser = RowFeed(WORDS, run=7), Follower()
    feed.update([("a", "open", 1)])
    browser.follow(feed)
    for run, cursor in ((8, browser.cursor), (7, browser.cursor + 1), (7, -1)):
        assert feed.since(run, cursor)["reset"]
    for number in range(2):
        feed.update([(f"{number}/{at}", "open", at) for at in range(MAX_REMOVALS // 2 + 1)])
    feed.update([("b", "open", 2)])
    browser.follow(feed)
    assert list(browser.rows.values()) == [["b", "open", 2]]


def later(snapshot: Snapshot, wall_s: float, **columns: Any) -> Snapshot:
    """Return the fleet some seconds later: its ages are 60 times that older."""
    older = (pl.col("age_s") + 60 * wall_s).cast(pl.Float32)
    alarms = snapshot.alarms.with_columns(older).with_columns(**columns)
    written = msgspec.structs.replace(snapshot.health, written=snapshot.health.written + round(1000 * wall_s))
    return dataclasses.replace(snapshot, alarms=alarms, health=written)


def test_ages_advance_in_the_browser_and_an_unchanged_alarm_is_not_sent_again(fleet: Any) -> None:
    rows, browser, first = AlarmRows(1), Follower(), fleet(1000, alarms=791)
    rows.follow(first)
    assert browser.follow(rows.alarms) == 791
    rows.follow(later(first, 0.5, score_now=pl.lit(2.0, pl.Float32)))
    assert browser.follow(rows.alarms) == 0
    acknowledged = pl.when(pl.col("pump") == "ITB-000001").then(pl.lit("acknowledged")).otherwise("state")
    rows.follow(later(first, 1.0, state=acknowledged))
    answer = rows.answer(rows.alarms, browser.run, browser.cursor)
    assert len(answer["changed"]) == 1
    assert len(json.dumps(answer)) < 500
    row = dict(zip(FIELDS, next(iter(browser.rows.values())), strict=True))
    age_s = first.alarms.filter(pl.col("alarm") == row["alarm"])["age_s"].item()
    assert (WALL_MS - row["zero"]) / 1000 * row["rate"] == pytest.approx(age_s, abs=1)


def test_an_age_that_a_browser_would_show_wrong_is_corrected(fleet: Any) -> None:
    rows, browser, first = AlarmRows(1), Follower(), fleet(10, alarms=1)
    rows.follow(first)
    browser.follow(rows.alarms)
    stopped = later(first, 60, age_s=first.alarms["age_s"])
    rows.follow(stopped)
    assert browser.follow(rows.alarms) == 1


async def test_the_feed_is_only_for_who_is_signed_in_and_odd_cursors_get_everything(
    fleet: Any, data_of: Any, browser_of: Any
) -> None:
    data = data_of(fleet(5, alarms=3))
    async with browser_of(build(data.settings)) as client:
        assert (await client.post(page.PATH)).status_code == 401
    VISITOR.set(Visitor("vera", "viewer"))
    async with browser_of(assemble(data).server) as client:
        for query in ("", "?run=x", "?cursor=99999999999999999999", "?run=1&cursor=-5"):
            answer = await client.post(page.PATH + query)
            assert answer.status_code in {200, 422}
            if answer.status_code == 200:
                assert (answer.json()["reset"], len(answer.json()["rows"])) == (True, 3)
