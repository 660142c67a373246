"""The data directory as a user of the command line sees it: private, with its secrets where they were put."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.store import secret_files
from pumpwatch.__main__ import app
from pumpwatch.commands.data_directory import keep_private
from pumpwatch.commands.doctor_access import permissions


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_files_of_a_command_are_private_whatever_the_umask(tmp_path: Path) -> None:
    keep_private()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "file").stat().st_mode) == 0o600


def test_an_account_is_kept_where_the_secrets_are(tmp_path: Path) -> None:
    words = ["user", "add", "vera", "--role", "viewer", "--password-stdin", "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(app, [*words, "--secrets", str(tmp_path / "etc")], input="correct horse battery\n")
    assert done.exit_code == 0, done.output
    assert secret_files.directory(tmp_path / "data").resolve() == tmp_path / "etc"


def test_doctor_says_what_others_can_read_and_what_to_do(tmp_path: Path) -> None:
    secret_files.directory(tmp_path)
    assert [finding.state for finding in permissions(tmp_path)] == ["ok", "ok"]
    (tmp_path / "journal.sqlite").touch()
    (tmp_path / "journal.sqlite").chmod(0o644)
    found = next(permissions(tmp_path))
    assert found.state == "failed"
    assert f"other users can read journal.sqlite in {tmp_path}; run: chmod -R go=" in found.text
