"""Journal and history: queries, exports, and detection of tampering."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store.history import History
from broker.store.journal import ENTRIES_SCHEMA, Journal
from broker.store.journal_chain import key_path
from broker.store.journal_file import FILE
from processor.pipeline import Pipeline
from processor.service import recovery
from pumpwatch.__main__ import app
from pumpwatch.commands.audit_entries import system_user
from pumpwatch.commands.doctor import records
from tests.broker.store.test_journal_chain import rewrite

NOON_MS = 1_767_268_800_000


@pytest.fixture
def run(tmp_path: Path):
    """Run a command on this data directory."""

    def command(*words: str):
        return CliRunner().invoke(app, [*words, "--data", str(tmp_path)], env={"COLUMNS": "200"})

    return command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {
            "at": NOON_MS,
            "kind": "ordered",
            "title": "stop on gate",
            "who": "anna",
            "pumps": ["A", "B"],
            "once": "1",
            "origin": "10.0.0.9",
        },
        {"at": NOON_MS + 1000, "kind": "raised", "title": "Motor stall", "pump": "B", "alarm": "B/stall/1"},
    ]
    journal = Journal(tmp_path)
    journal.append(pl.DataFrame([dict.fromkeys(ENTRIES_SCHEMA) | row for row in rows], schema=ENTRIES_SCHEMA))
    recovery.save(tmp_path, Pipeline(), NOON_MS, journal.head)
    journal.close()
    return tmp_path


@pytest.mark.usefixtures("data")
def test_the_journal_is_filtered_by_pump_person_and_time(run) -> None:
    def kinds(*words: str) -> list[str]:
        return [row["kind"] for row in json.loads(run("journal", "--json", *words).stdout)]

    assert kinds() == ["raised", "ordered"]
    assert kinds("--pump", "A") == ["ordered"]
    assert kinds("--who", "anna", "--limit", "5") == ["ordered"]
    assert kinds("--kind", "raised", "--kind", "cleared") == ["raised"]
    assert kinds("--origin", "10.0.0.9") == ["ordered"]
    assert kinds("--text", "STALL") == ["raised"]
    assert kinds("--from", "2026-01-01T12:00:00.500Z") == ["raised"]
    assert kinds("--to", "2026-01-01 12:00") == ["ordered"]
    assert "Motor stall" in run("journal").stdout


def test_the_journal_shows_any_note_and_any_time(run, tmp_path: Path) -> None:
    rows = [
        {
            "at": NOON_MS,
            "kind": "note",
            "title": "Low reservoir",
            "text": "C:\\[/temp]\x1b[2J\x9b",
            "who": "[bold]eve[/x]",
        },
        {"at": 2**62, "kind": "note", "title": "Low reservoir", "pump": "B"},
    ]
    journal = Journal(tmp_path)
    journal.append(pl.DataFrame([dict.fromkeys(ENTRIES_SCHEMA) | row for row in rows], schema=ENTRIES_SCHEMA))
    journal.close()
    shown = run("journal")
    assert shown.exit_code == 0, shown.exception
    assert "Low reservoir: C:\\[/temp]\\x1b[2J\\x9b" in shown.stdout
    assert "[bold]eve[/x]" in shown.stdout
    assert "beyond year 9999" in shown.stdout
    as_json = run("journal", "--json").stdout
    assert not {"\x1b", "\x9b"} & set(as_json)
    assert json.loads(as_json)[1]["text"] == "C:\\[/temp]\x1b[2J\x9b"


def test_the_journal_is_verified_and_the_exit_code_says_whether_it_is_whole(run, data: Path) -> None:
    whole = run("journal", "--verify")
    assert (whole.exit_code, whole.stdout) == (0, "2 entries, hash chain intact\n")
    rewrite(data, "UPDATE entry SET who = 'ben' WHERE id = 1", 4)
    altered = run("journal", "--verify")
    assert altered.exit_code == 1
    assert "entry 1 (ordered) is not what was written" in str(altered.exception)
    as_json = run("journal", "--verify", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["intact"] is False


@pytest.mark.usefixtures("history")
def test_an_export_is_in_the_journal_with_who_made_it(run, tmp_path: Path) -> None:
    run("export", "--pumps", "3,MY-1", "--from", "2026-01-02")
    run("export", "--pumps", "17")
    (row,) = json.loads(run("journal", "--json", "--kind", "exported").stdout)
    assert row["who"] == system_user()
    assert row["origin"] == "command line"
    assert row["text"] == "samples of pumps 3,MY-1 from 2026-01-02 as csv, standard output"


@pytest.mark.usefixtures("history")
def test_an_export_that_cannot_be_recorded_is_not_made(run, tmp_path: Path) -> None:
    Journal(tmp_path).close()
    key_path(tmp_path).write_bytes(b"short")
    result = run("export")
    assert result.exit_code == 1
    assert "cannot record this in the journal, so it was not done" in str(result.exception)
    assert result.stdout.count("\n") == 1, "only the header"


def test_an_invalid_time_is_a_usage_error(run) -> None:
    result = run("journal", "--from", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is not a time" in result.output


def test_doctor_verifies_the_hash_chain_of_the_journal(data: Path) -> None:
    assert [(found.state, found.text) for found in records(data)] == [
        ("ok", "2 entries, hash chain intact"),
        ("ok", "0 samples in 0 files"),
    ]
    database = sqlite3.connect(data / FILE)
    database.executescript("DROP TRIGGER entry_remains; DELETE FROM entry WHERE id = 2;")
    database.close()
    found, _ = records(data)
    assert found.state == "failed"
    assert found.text.startswith("it ends at entry 1, but there were 2: its end was cut off; keep a copy of ")


def test_doctor_lists_files_that_were_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.unreadable-1").mkdir()
    assert [found.text.partition(" ")[0] for found in records(tmp_path)] == ["0", "checkpoint.unreadable-1"]


@pytest.fixture
def history(tmp_path: Path) -> pl.DataFrame:
    """Three days of samples of three pumps."""
    rows = [
        {"pump": pump, "time": NOON_MS + day * 86_400_000, "seq": day, "flow_ul_h": 12.72}
        for day in range(3)
        for pump in ("ITB-000003", "ITB-000004", "MY-1")
    ]
    frame = pl.DataFrame([dict.fromkeys(SAMPLE_SCHEMA) | row for row in rows], schema=SAMPLE_SCHEMA)
    History(tmp_path).append(frame, 1)
    return frame


def test_samples_are_exported_as_csv(run, history: pl.DataFrame) -> None:
    result = run("export", "--pumps", "3,MY-1", "--from", "2026-01-02", "--to", "2026-01-03T12:00:00Z")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split(",") == list(SAMPLE_SCHEMA)
    assert [line.split(",")[0] for line in lines[1:]] == ["ITB-000003", "MY-1"] * 2
    assert lines[1].split(",")[9] == "12.72"
    assert lines[1].split(",")[1:3] == ["2026-01-02T12:00:00.000Z", ""]
    in_ms = run("export", "--pumps", "3", "--from", "2026-01-02", "--times", "ms").stdout.splitlines()
    assert in_ms[1].split(",")[1] == str(NOON_MS + 86_400_000)
    assert "4 samples" in result.stderr


def test_a_serial_of_digits_can_be_exported_and_comes_before_a_number(run, tmp_path: Path) -> None:
    rows = [{"pump": pump, "time": NOON_MS, "seq": 1} for pump in ("3", "7-9", "ITB-000003", "ITB-000004")]
    frame = pl.DataFrame([dict.fromkeys(SAMPLE_SCHEMA) | row for row in rows], schema=SAMPLE_SCHEMA)
    History(tmp_path).append(frame, 1)
    lines = run("export", "--pumps", "3,7-9,4").stdout.splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["3", "7-9", "ITB-000004"]


def test_samples_are_exported_as_parquet_unchanged(run, history: pl.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert run("export", "--format", "parquet", "--out", str(out)).exit_code == 0
    assert pl.read_parquet(out).equals(history)
    assert run("export", "--pumps", "3-4", "--out", str(tmp_path / "out.csv")).exit_code == 0
    assert pl.read_csv(tmp_path / "out.csv")["pump"].n_unique() == 2


@pytest.mark.usefixtures("history")
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
def test_an_impossible_export_ends_with_one_sentence(run, words, code, sentence) -> None:
    result = run("export", *words)
    assert result.exit_code == code
    assert sentence in f"{result.output} {result.exception}"


@pytest.mark.usefixtures("history")
def test_doctor_reports_the_size_of_the_history_and_unreadable_files(tmp_path: Path) -> None:
    assert "9 samples in 3 files, " in next(found.text for found in records(tmp_path) if found.what == "history")
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1 not at all, though it ends so PAR1")
    assert next(found.state for found in records(tmp_path) if found.what == "history") == "failed"
