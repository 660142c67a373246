"""Staging of a backup: files as they are at one moment, while others are added, merged and removed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from broker.store import backup_staging
from broker.store.backup_staging import StagingError, staging
from broker.store.journal import Journal
from broker.store.journal_query import Query, entries
from tests.broker.store.test_journal import book, event


def put(data: Path, name: str, content: bytes = b"x") -> Path:
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_is_removed_or_appended_later_is_in_the_backup_as_it_was(tmp_path: Path) -> None:
    segment, truth = (
        put(tmp_path, "history/date=2026-01-31/hour=07/0-1-1.parquet"),
        put(tmp_path, "truth.jsonl", b"1\n2"),
    )
    with staging(tmp_path) as staged:
        staged.keep_others()
        shutil.rmtree(segment.parent)
        with truth.open("ab") as file:
            file.write(b"\n3\n")
        found = {name: path.read_bytes()[:size] for name, path, size in staged.files()}
    assert found == {"history/date=2026-01-31/hour=07/0-1-1.parquet": b"x", "truth.jsonl": b"1\n"}
    assert not staged.root.exists()


def test_a_directory_whose_files_are_merged_meanwhile_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = put(tmp_path, "history/date=2026-01-31/hour=07/0-1-1.parquet").parent
    put(tmp_path, "history/date=2026-01-31/hour=07/0-1-2.parquet")
    link, merged = backup_staging.link_or_copy, False

    def merging(source: Path, target: Path) -> None:
        nonlocal merged
        if not merged:
            merged = True
            (hour / "1-1-3.parquet").write_bytes(b"both")
            for old in hour.glob("0-*"):
                old.unlink()
        link(source, target)

    monkeypatch.setattr(backup_staging, "link_or_copy", merging)
    with staging(tmp_path) as staged:
        staged.keep_others()
        assert [Path(name).name for name, _, _ in staged.files()] == ["1-1-3.parquet"]


def test_secrets_what_belongs_to_one_run_and_files_of_others_are_left_out(tmp_path: Path) -> None:
    for name in (
        *("secrets/journal.key", "run.json", "client-id", "snapshot/manifest.json", "broker/mosquitto.db", "run.lock"),
        *("accounts.json", "dashboard.secret", "in-hand", "history.unreadable-1/x", "format.json", "holiday.jpg"),
        *("history/date=2026-01-31/.day.new", "action.pub"),
    ):
        put(tmp_path, name)
    with staging(tmp_path) as staged:
        staged.keep_others()
        assert [name for name, _, _ in staged.files()] == ["action.pub"]


def test_the_journal_is_copied_while_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(book(event("raised", "A")))
    with staging(tmp_path) as staged:
        staged.keep_journal()
        journal.append(book(event("raised", "B")))
        assert entries(staged.root, Query())["pump"].to_list() == ["A"]
        assert [name for name, _, _ in staged.files()] == ["journal.sqlite"]
    journal.close()


def test_a_file_system_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(backup_staging.os, "link", refuse)
    put(tmp_path, "rollup/hour/date=2026-01-31/all-1-1.parquet", b"rolled up")
    with staging(tmp_path) as staged:
        staged.keep_others()
        assert [path.read_bytes() for _, path, _ in staged.files()] == [b"rolled up"]


def test_one_backup_at_a_time_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    put(tmp_path, ".backup/history/left.parquet")
    with staging(tmp_path) as staged:
        assert list(staged.files()) == []
        with pytest.raises(StagingError, match="another backup"), staging(tmp_path):
            pass


def test_a_directory_without_a_journal_has_nothing_to_copy(tmp_path: Path) -> None:
    with staging(tmp_path) as staged:
        staged.keep_journal()
        assert list(staged.files()) == []
    put(tmp_path, "journal.sqlite", b"no database" * 1000)
    with staging(tmp_path) as staged, pytest.raises(sqlite3.Error):
        staged.keep_journal()
