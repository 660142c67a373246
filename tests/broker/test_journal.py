"""The book of what happened."""

from __future__ import annotations

import sqlite3

import polars as pl
import pytest

from broker.journal import EVENTS_SCHEMA, FILE, Journal, events


def event(kind: str, pump: str, at: int = 1, **more: object) -> dict[str, object]:
    return {
        **dict.fromkeys(EVENTS_SCHEMA),
        "at": at,
        "time": at,
        "kind": kind,
        "pump": pump,
        "alarm": f"{pump}/x",
        **more,
    }


def book(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, EVENTS_SCHEMA, orient="row")


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def test_what_was_written_is_read_newest_first(tmp_path, journal):
    journal.append(book(event("raised", "A", 1, who=None), event("acknowledged", "A", 2, who="anna")))
    journal.append(book(event("raised", "B", 3, priority=1, title="Motor stalled")))
    read = events(tmp_path)
    assert read["kind"].to_list() == ["raised", "acknowledged", "raised"]
    assert read["pump"].to_list() == ["B", "A", "A"]
    assert read["who"].to_list() == [None, "anna", None]
    assert dict(read.schema) == EVENTS_SCHEMA


def test_one_pumps_events_and_only_so_many(tmp_path, journal):
    journal.append(book(*(event("raised", "AB"[at % 2], at) for at in range(10))))
    assert events(tmp_path, pump="B")["at"].to_list() == [9, 7, 5, 3, 1]
    assert events(tmp_path, limit=3)["at"].to_list() == [9, 8, 7]
    assert events(tmp_path, pump="C").height == 0


def test_a_book_that_nobody_began_is_empty(tmp_path):
    assert dict(events(tmp_path).schema) == EVENTS_SCHEMA
    assert events(tmp_path).height == 0


def test_it_outlives_its_writer_and_can_be_read_while_it_is_written(tmp_path, journal):
    journal.append(book(event("raised", "A", 1)))
    again = Journal(tmp_path)
    again.append(book(event("raised", "B", 2)))
    assert events(tmp_path)["pump"].to_list() == ["B", "A"]
    again.close()


def test_all_or_none_is_written(tmp_path, journal):
    with pytest.raises(Exception, match="NOT NULL"):
        journal.append(book(event("raised", "A"), event(None, "B")))
    assert events(tmp_path).height == 0


@pytest.mark.parametrize("name", ["a folder", "100%", "what?", "a#b"])
def test_it_may_lie_in_a_folder_of_any_name(tmp_path, name):
    journal = Journal(tmp_path / name)
    journal.append(book(event("raised", "A")))
    assert events(tmp_path / name).height == 1
    journal.close()


def test_the_same_change_is_written_once_and_the_same_deed_once_but_a_person_may_do_a_thing_twice(tmp_path, journal):
    deeds = [event("shelved", "A", at, who="anna", action=action) for at, action in ((1, "x"), (2, "x"), (1, "y"))]
    journal.append(book(event("raised", "A", 1), event("raised", "A", 1), event("raised", "A", 2), *deeds))
    kinds = events(tmp_path).select("kind", "time", "action").rows()
    assert kinds[::-1] == [("raised", 1, None), ("raised", 2, None), ("shelved", 1, "x"), ("shelved", 1, "y")]


def test_a_book_of_an_older_version_is_read_and_written_on(tmp_path):
    old = sqlite3.connect(tmp_path / FILE)
    columns = [name for name in EVENTS_SCHEMA if name != "action"]
    old.execute(f"CREATE TABLE event (id INTEGER PRIMARY KEY, {', '.join(columns)})")
    old.execute("CREATE UNIQUE INDEX event_once ON event (alarm, kind, time)")
    old.execute("INSERT INTO event (at, time, kind, pump, alarm) VALUES (1, 1, 'acknowledged', 'A', 'A/x')")
    old.commit()
    old.close()
    for _ in range(2):
        journal = Journal(tmp_path)
        journal.append(book(event("acknowledged", "A", 1, action="1")))
        journal.close()
    assert events(tmp_path)["action"].to_list() == ["1", None]
