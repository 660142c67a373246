"""`pumpwatch doctor` on the journal: what was altered is a failure with advice, an upgrade is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.store import audit, journal_anchor
from broker.store.journal import Journal
from processor.pipeline import Pipeline
from processor.service import recovery
from pumpwatch.__main__ import app
from pumpwatch.commands.doctor_journal import clock, journal
from tests.broker.store.test_journal import book, event, write_format_2
from tests.broker.store.test_journal_chain import rewrite

NOW_MS = 1_767_268_800_000


def write(data: Path) -> None:
    """Write what a processor does: an entry, a checkpoint and an anchor."""
    written = Journal(data)
    written.append(book(event("raised", "A"), event("raised", "B")))
    recovery.save(data, Pipeline(), NOW_MS, written.head)
    journal_anchor.write(data, written.head)
    written.close()


def failure(data: Path) -> str:
    return next((found.text for found in journal(data) if found.state == "failed"), "")


def test_a_journal_that_is_whole_is_fine(tmp_path: Path) -> None:
    write(tmp_path)
    assert [found.text for found in journal(tmp_path)] == ["2 entries, hash chain intact"]


def test_each_range_of_a_cluster_has_a_journal_and_the_common_one_needs_no_checkpoint(tmp_path: Path) -> None:
    Journal(tmp_path).append(book(event("raised", "A")))
    for number in ("00", "01"):
        write(tmp_path / "ranges" / number / "000001")
    rewrite(tmp_path / "ranges" / "01" / "000001", "UPDATE entry SET who = 'ben' WHERE id = 1", 3)
    found = [(each.what, each.state) for each in journal(tmp_path)]
    assert found == [("journal", "ok"), ("journal of range 00", "ok"), ("journal of range 01", "failed")]


def test_a_recomputed_journal_is_found_after_its_checkpoint_was_removed(tmp_path: Path) -> None:
    write(tmp_path)
    rewrite(tmp_path, "UPDATE entry SET who = 'ben' WHERE id = 1", 3)
    shutil.rmtree(tmp_path / "checkpoint")
    assert "the chain was rewritten; keep a copy of the data directory" in failure(tmp_path)
    done = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path)], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "the chain was rewritten" in done.output


def test_entries_of_a_processor_without_its_checkpoint_are_a_failure(tmp_path: Path) -> None:
    write(tmp_path)
    shutil.rmtree(tmp_path / "checkpoint")
    assert "it has 2 entries but there is no checkpoint" in failure(tmp_path)


def test_entries_without_an_anchor_are_a_failure(tmp_path: Path) -> None:
    write(tmp_path)
    journal_anchor.path(tmp_path).unlink()
    assert "journal.anchor is missing" in failure(tmp_path)


def test_an_account_that_is_made_before_the_first_start_is_no_failure(tmp_path: Path) -> None:
    audit.record(tmp_path, "account_added", who="vera", origin="command line", text="as admin", at=NOW_MS)
    assert failure(tmp_path) == ""


def test_a_journal_of_an_earlier_version_is_no_failure_before_and_after_its_first_start(tmp_path: Path) -> None:
    write_format_2(tmp_path)
    recovery.save(tmp_path, Pipeline(), NOW_MS)
    assert failure(tmp_path) == ""
    Journal(tmp_path).close()
    assert failure(tmp_path) == ""


@pytest.mark.parametrize(("ahead_s", "state"), [(-60, "ok"), (3600, "failed")])
def test_a_clock_behind_the_journal_is_a_failure(tmp_path: Path, ahead_s: int, state: str) -> None:
    (tmp_path / "probe").touch()
    now_ms = round(os.stat(tmp_path / "probe").st_mtime * 1000)  # noqa: PTH116
    audit.record(tmp_path, "signed_in", who="vera", origin="x", text="", at=now_ms + 1000 * ahead_s)
    assert [found.state for found in clock(tmp_path)] == [state]
