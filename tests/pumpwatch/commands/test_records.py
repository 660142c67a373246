"""What was kept can be read by a person, and somebody's change of it is found."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store.history import History
from broker.store.journal import ENTRIES_SCHEMA, FILE, Journal
from processor.pipeline import Pipeline
from processor.service import recovery
from pumpwatch.__main__ import app
from pumpwatch.commands.doctor import records

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
        {"at": NOON_MS + 1000, "kind": "raised", "title": "Motor stall", "pump": "B", "alarm": "B/stall/1"},
    ]
    journal = Journal(tmp_path)
    journal.append(pl.DataFrame([dict.fromkeys(ENTRIES_SCHEMA) | row for row in rows], schema=ENTRIES_SCHEMA))
    recovery.save(tmp_path, Pipeline(), NOON_MS, journal.head)
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
    assert "Motor stall" in run("journal").stdout


def test_a_time_that_is_none_is_a_usage_error(run) -> None:
    result = run("journal", "--from", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is not a time" in result.output


def test_the_doctor_says_that_the_chain_holds_or_where_it_breaks(written: Path) -> None:
    assert [(found.state, found.text) for found in records(written)] == [
        ("ok", "2 entries, hash chain intact"),
        ("ok", "0 samples in 0 files"),
    ]
    book = sqlite3.connect(written / FILE)
    book.executescript("DROP TRIGGER entry_remains; DELETE FROM entry WHERE id = 2;")
    book.close()
    found, _ = records(written)
    assert found.state == "failed"
    assert found.text == "it ends at entry 1, but there were 2: its end was cut off"


def test_the_doctor_names_what_was_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.unreadable-1").mkdir()
    assert [found.text.partition(" ")[0] for found in records(tmp_path)] == ["0", "checkpoint.unreadable-1"]


@pytest.fixture
def kept(tmp_path: Path) -> pl.DataFrame:
    """Three days of samples of three pumps."""
    rows = [
        {"pump": pump, "time": NOON_MS + day * 86_400_000, "seq": day, "flow_ul_h": 12.72}
        for day in range(3)
        for pump in ("ITB-000003", "ITB-000004", "MY-1")
    ]
    frame = pl.DataFrame([dict.fromkeys(SAMPLE_SCHEMA) | row for row in rows], schema=SAMPLE_SCHEMA)
    History(tmp_path).append(frame, 1)
    return frame


def test_samples_are_exported_as_csv_to_the_last_one(run, kept: pl.DataFrame) -> None:
    result = run("export", "--pumps", "3,MY-1", "--from", "2026-01-02", "--to", "2026-01-03T12:00:00Z")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split(",") == list(SAMPLE_SCHEMA)
    assert [line.split(",")[0] for line in lines[1:]] == ["ITB-000003", "MY-1"] * 2
    assert lines[1].split(",")[9] == "12.72"
    assert "4 samples" in result.stderr


def test_samples_are_exported_as_parquet_as_they_were(run, kept: pl.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert run("export", "--format", "parquet", "--out", str(out)).exit_code == 0
    assert pl.read_parquet(out).equals(kept)
    assert run("export", "--pumps", "3-4", "--out", str(tmp_path / "out.csv")).exit_code == 0
    assert pl.read_csv(tmp_path / "out.csv")["pump"].n_unique() == 2


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--format", "parquet"), 2, "give --out FILE"),
        (("--pumps", ","), 2, "selects no pump"),
        (("--from", "soon"), 2, "'soon' is not a time"),
        (("--pumps", "17"), 1, "the history has no matching samples"),
        (("--out", "/proc/no/such/place"), 1, "cannot export"),
    ],
)
def test_an_export_that_cannot_be_ends_with_a_sentence(run, words, code, sentence) -> None:
    result = run("export", *words)
    assert result.exit_code == code
    assert sentence in f"{result.output} {result.exception}"


@pytest.mark.usefixtures("kept")
def test_the_doctor_says_how_much_room_a_sample_takes(tmp_path: Path) -> None:
    assert "9 samples in 3 files, " in next(found.text for found in records(tmp_path) if found.what == "history")
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1 not at all, though it ends so PAR1")
    assert next(found.state for found in records(tmp_path) if found.what == "history") == "failed"
