"""The journal: append-only, hash-chained, and readable in the formats of older versions."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

import msgspec
import polars as pl
import pytest

from broker.store.journal import ENTRIES_SCHEMA, EVENTS_SCHEMA, Journal, JournalError
from broker.store.journal_file import FILE
from broker.store.journal_query import Query, entries, events
from broker.store.journal_tables import OF_ALARMS
from broker.store.journal_verification import verify


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
    journal.append(book(event("raised", "B", 3, priority=1, title="Motor stall")))
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


def tamper(data: Path, change: str) -> None:
    """Change the book as somebody could who has the file."""
    book = sqlite3.connect(data / FILE)
    book.executescript(f"DROP TRIGGER entry_stays; DROP TRIGGER entry_remains; {change}")
    book.close()


def order(once: str, *pumps: str, who: str = "anna", at: int = 1) -> dict[str, object]:
    row = {"at": at, "kind": "ordered", "title": "stop on gate", "who": who, "pumps": list(pumps), "once": once}
    return {**dict.fromkeys(ENTRIES_SCHEMA), **row}


def test_entries_are_found_by_pump_by_person_and_by_time(tmp_path, journal):
    journal.append(book(event("raised", "A", 1)))
    orders = [order("1", "A", "B", at=2), order("2", "C", who="ben", at=3), order("3", "B", at=4)]
    journal.append(pl.DataFrame(orders, ENTRIES_SCHEMA, orient="row"))
    assert entries(tmp_path, Query(pump="A"))["at"].to_list() == [2, 1]
    assert entries(tmp_path, Query(pump="B"))["at"].to_list() == [4, 2]
    assert entries(tmp_path, Query(who="anna"))["at"].to_list() == [4, 2]
    assert entries(tmp_path, Query(who="anna", since=3))["at"].to_list() == [4]
    assert entries(tmp_path, Query(since=2, until=3))["pumps"].to_list() == [["C"], ["A", "B"]]
    assert entries(tmp_path, Query(limit=1))["at"].to_list() == [4]
    assert events(tmp_path)["at"].to_list() == [1]


def test_what_has_the_same_name_is_one_entry_and_the_chain_goes_on(tmp_path, journal):
    orders = pl.DataFrame([order("1"), order("1", who="ben"), order("2")], ENTRIES_SCHEMA, orient="row")
    assert journal.append(orders) == 2
    assert journal.append(orders) == 0
    assert entries(tmp_path, Query())["who"].to_list() == ["anna", "anna"]
    assert verify(tmp_path, journal.head) == (2, None)


def test_nothing_in_it_can_be_changed_or_removed_by_accident(journal):
    journal.append(book(event("raised", "A")))
    for statement in ("UPDATE entry SET who = 'x'", "DELETE FROM entry"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            journal._connection.execute(statement)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE entry SET who = 'ben' WHERE id = 3;", "entry 3 (acknowledged) is not what was written"),
        ("UPDATE entry SET at = 0 WHERE id = 1;", "entry 1 (raised) is not what was written"),
        ("DELETE FROM entry WHERE id = 2;", "entry 2 is missing; the next is 3"),
        ("DELETE FROM entry WHERE id = 4;", "it ends at entry 3, but there were 4: its end was cut off"),
        ("DELETE FROM entry;", "it ends at entry 0, but there were 4"),
        ("UPDATE entry SET cause = 'motor_stall' WHERE id = 1;", "entry 1 (raised) is not what was written"),
        ("UPDATE entry SET format = 2 WHERE id = 1;", "entry 1 (raised) is not what was written"),
        ("UPDATE entry SET format = 9 WHERE id = 1;", "entry 1 (raised) is not what was written"),
    ],
)
def test_verification_finds_the_entry_that_was_changed(tmp_path, journal, change, reason):
    journal.append(book(*(event("raised", pump) for pump in "AB"), event("acknowledged", "A", who="anna")))
    journal.append(book(event("cleared", "A")))
    head = journal.head
    assert verify(tmp_path, head) == (4, None)
    tamper(tmp_path, change)
    assert reason in str(verify(tmp_path, head)[1])


def test_a_book_written_anew_from_the_start_is_not_the_one_that_was(tmp_path, journal):
    journal.append(book(event("raised", "A")))
    head = journal.head
    journal.close()
    (tmp_path / FILE).unlink()
    forged = Journal(tmp_path)
    forged.append(book(event("raised", "B")))
    forged.close()
    assert "the chain was rewritten" in str(verify(tmp_path, head)[1])


def test_a_book_of_format_1_is_taken_over_with_all_it_says(tmp_path):
    old = sqlite3.connect(tmp_path / FILE)
    old.executescript(
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, time INTEGER, kind TEXT NOT NULL, pump TEXT, "
        "rule TEXT, title TEXT, priority INTEGER, alarm TEXT, who TEXT, text TEXT);"
        "INSERT INTO event VALUES (1, 5, 6, 'raised', 'A', 'r', 't', 1, 'A/r/6', NULL, NULL);"
        "INSERT INTO event VALUES (2, 7, 6, 'acknowledged', 'A', 'r', 't', 1, 'A/r/6', 'anna', NULL);"
    )
    old.close()
    assert events(tmp_path).height == 0
    journal = Journal(tmp_path)
    assert events(tmp_path, pump="A")["who"].to_list() == ["anna", None]
    journal.append(book(event("raised", "A", 6, alarm="A/r/6")))
    assert verify(tmp_path) == (2, None)
    journal.close()


def test_a_book_of_a_newer_format_is_left_alone_and_it_is_said_what_to_do(tmp_path, journal):
    journal._connection.execute("PRAGMA user_version = 99")
    journal.close()
    before = shutil.copy(tmp_path / FILE, tmp_path / "copy")
    with pytest.raises(JournalError, match=r"format 99.*use the newer version"):
        Journal(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before.read_bytes()
    assert events(tmp_path).height == 0


def test_a_file_that_is_no_book_is_moved_aside_and_a_new_one_begun(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database at all, " * 100)
    journal = Journal(tmp_path)
    assert journal.moved is not None
    assert journal.moved.read_bytes().startswith(b"not a database")
    journal.append(book(event("raised", "A")))
    assert verify(tmp_path) == (1, None)
    journal.close()


def test_the_same_change_is_written_once_and_the_same_deed_once_but_a_person_may_do_a_thing_twice(tmp_path, journal):
    actions = [event("shelved", "A", at, who="anna", action=action) for at, action in ((1, "x"), (2, "x"), (1, "y"))]
    journal.append(book(event("raised", "A", 1), event("raised", "A", 1), event("raised", "A", 2), *actions))
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


def test_what_was_refused_and_what_is_out_of_service_is_among_what_happened_lately(tmp_path, journal):
    no_alarm = {"alarm": None, "title": None, "rule": None}
    journal.append(book(event("raised", "A", 1), event("refused", None, 2, who="eva", text="not known", **no_alarm)))
    journal.append(book(event("out_of_service", "A", 3, who="eva", **no_alarm), event("ordered", "A", 4, **no_alarm)))
    assert events(tmp_path)["kind"].to_list() == ["out_of_service", "refused", "raised"]
    assert entries(tmp_path, Query())["kind"].to_list() == ["ordered", "out_of_service", "refused", "raised"]


def test_a_refusal_that_is_written_again_after_a_crash_is_one_entry(tmp_path, journal):
    refused = book(event("refused", None, 2, alarm=None, who="eva", text="not known", action="7"))
    assert journal.append(refused) == 1
    assert journal.append(refused) == 0


def test_what_happened_lately_is_found_without_reading_all_orders(tmp_path, journal):
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection:
        asked = f"SELECT id FROM entry WHERE {OF_ALARMS} ORDER BY id DESC LIMIT 10"
        plan = connection.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall()
    assert "entry_lately" in str(plan)


FORMAT_2 = """
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, time INTEGER, kind TEXT NOT NULL, pump TEXT, rule TEXT, title TEXT,
  priority INTEGER, alarm TEXT, who TEXT, text TEXT,
  action TEXT, pumps TEXT, once TEXT UNIQUE, hash BLOB NOT NULL);
CREATE INDEX entry_at ON entry (at);
CREATE INDEX entry_by ON entry (who, id) WHERE who IS NOT NULL;
CREATE TABLE concerns (pump TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (pump, id)) WITHOUT ROWID;
CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_remains BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
PRAGMA user_version = 2;
"""
OLD_ALARMS = (
    ("raised", "A", "A/motor_stall/1", "Rotor turns 0"),
    ("raised", "A", "A/under_delivery/1", "Flow 0 µL/h; explained by: Motor stalled"),
    ("held", "A", "A/under_delivery/1", "explained by: Motor stalled"),
    ("raised", None, "ward/gateway_silent/1", None),
    ("raised", None, "lot B07/cohort_battery/1", None),
    ("raised", None, "fleet/fleet_silent/1", None),
    ("raised", None, "system: storage/storage_failing/1", None),
    ("note", "A", "A/motor_stall/1", "explained by: the night shift"),
    ("refused", None, None, "not known"),
)


def write_format_2(data: Path) -> None:
    """Write a journal as the previous version did: its columns, its chain."""
    old, last = sqlite3.connect(data / FILE), bytes(32)
    old.executescript(FORMAT_2)
    for number, (kind, pump, alarm, text) in enumerate(OLD_ALARMS, start=1):
        row = [number, 5, 1, kind, pump, None, None, 1, alarm, None, text, None, None, f"once-{number}"]
        last = sha256(last + msgspec.json.encode(row)).digest()
        old.execute(f"INSERT INTO entry VALUES ({', '.join('?' * 15)})", (*row, last))
    old.commit()
    old.close()


def test_a_journal_of_format_2_is_read_and_verified_before_anybody_migrates_it(tmp_path):
    write_format_2(tmp_path)
    assert verify(tmp_path) == (len(OLD_ALARMS), None)
    assert events(tmp_path).select("subject", "subject_kind", "cause").rows()[::-1] == [
        ("A", "pump", None),
        ("A", "pump", "Motor stalled"),
        ("A", "pump", "Motor stalled"),
        ("ward", "gateway", None),
        ("lot B07", "cohort", None),
        ("fleet", "fleet", None),
        ("system: storage", "system", None),
        ("A", "pump", None),
        (None, None, None),
    ]


def test_a_journal_of_format_2_is_continued_and_its_chain_holds_over_both_formats(tmp_path):
    write_format_2(tmp_path)
    before = events(tmp_path)
    journal = Journal(tmp_path)
    about = {"subject": "ward", "subject_kind": "gateway", "cause": "fleet_silent", "alarm": "ward/gateway_silent/9"}
    journal.append(book(event("raised", None, 9, **about)))
    head = journal.head
    journal.close()
    assert verify(tmp_path, head) == (len(OLD_ALARMS) + 1, None)
    assert events(tmp_path).tail(len(OLD_ALARMS)).equals(before)
    assert events(tmp_path).select(*about).row(0, named=True) == about


@pytest.mark.parametrize("change", ["cause = 'motor_stall'", "subject = 'B'", "format = 3", "text = 'x'"])
def test_entries_of_format_2_cannot_be_changed_unnoticed_after_the_migration(tmp_path, change):
    write_format_2(tmp_path)
    Journal(tmp_path).close()
    tamper(tmp_path, f"UPDATE entry SET {change} WHERE id = 2;")
    assert verify(tmp_path) == (1, "entry 2 (raised) is not what was written, or the one before is not")
