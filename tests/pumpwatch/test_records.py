"""What was kept can be read by a person, and somebody's change of it is found."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from broker.journal import ENTRIES_SCHEMA, FILE, Journal
from processor.pipeline import Pipeline
from pumpwatch.__main__ import app
from pumpwatch.doctor import records

NOON_MS = 1_767_268_800_000


@pytest.fixture
def run(tmp_path: Path):
    """Run a command on this data directory."""

    def command(*words: str):
        return CliRunner().invoke(app, [*words, "--data", str(tmp_path)], env={"COLUMNS": "200"})

    return command


@pytest.fixture
def written(tmp_path: Path) -> Path:
    rows = [
        {"at": NOON_MS, "kind": "ordered", "title": "stop on gate", "who": "anna", "pumps": ["A", "B"], "once": "1"},
        {"at": NOON_MS + 1000, "kind": "raised", "title": "Motor stalled", "pump": "B", "alarm": "B/stall/1"},
    ]
    journal = Journal(tmp_path)
    journal.append(pl.DataFrame([dict.fromkeys(ENTRIES_SCHEMA) | row for row in rows], schema=ENTRIES_SCHEMA))
    Pipeline(tmp_path).save(NOON_MS, journal.head)
    journal.close()
    return tmp_path


@pytest.mark.usefixtures("written")
def test_the_journal_is_read_by_pump_person_and_time(run) -> None:
    def kinds(*words: str) -> list[str]:
        return [row["kind"] for row in json.loads(run("journal", "--json", *words).stdout)]

    assert kinds() == ["raised", "ordered"]
    assert kinds("--pump", "A") == ["ordered"]
    assert kinds("--who", "anna", "--limit", "5") == ["ordered"]
    assert kinds("--from", "2026-01-01T12:00:00.500Z") == ["raised"]
    assert kinds("--to", "2026-01-01 12:00") == ["ordered"]
    assert "Motor stalled" in run("journal").stdout


def test_a_time_that_is_none_is_a_usage_error(run) -> None:
    result = run("journal", "--from", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is no time" in result.output


def test_the_doctor_says_that_the_chain_holds_or_where_it_breaks(written: Path) -> None:
    assert [(found.state, found.text) for found in records(written)] == [("ok", "2 entries, and the chain holds")]
    book = sqlite3.connect(written / FILE)
    book.executescript("DROP TRIGGER entry_remains; DELETE FROM entry WHERE id = 2;")
    book.close()
    [found] = records(written)
    assert found.state == "failed"
    assert found.text == "it ends at entry 1, but there were 2: its end was cut off"


def test_the_doctor_names_what_was_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.unreadable-1").mkdir()
    assert [found.text.partition(" ")[0] for found in records(tmp_path)] == ["checkpoint.unreadable-1"]
