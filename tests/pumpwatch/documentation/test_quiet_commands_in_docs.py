"""Commands in README and docs about accounts, keys, tables and backups, run on made-up data.

Those that need a running system are run by `make contracts` (`tests/contracts/full_commands.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.store import audit
from dashboard.access.accounts import add_account
from tests.pumpwatch.documentation.command_runs import of, run_all
from tests.pumpwatch.documentation.treatments import ACCOUNTS, FILES, KEYS


def test_commands_about_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("vera", "eva"):
        add_account(tmp_path / "data", name, "admin", "correct horse battery")
    listed = sorted(of(ACCOUNTS), key=lambda command: command.name == "pumpwatch user remove")
    assert run_all(listed, tmp_path / "data", {}) == []


def test_commands_about_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = sorted(of(KEYS), key=lambda command: command.name != "pumpwatch keys init")
    once = {command.name: command for command in reversed(listed)}
    assert run_all(list(reversed(once.values())), tmp_path / "data", {}) == []


def test_commands_about_tables_and_backups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, restored = tmp_path / "data", tmp_path / "restored"
    audit.record(data, "exported", who="vera", origin="1.2.3.4", text="week.csv", at=1)
    (tmp_path / "passphrase").write_text("a long enough passphrase\n")
    (tmp_path / "passphrase").chmod(0o600)
    places = {"/var/lib/pumpwatch-2": str(restored), "/var/lib/pumpwatch": str(data), "/root": str(tmp_path)}
    listed = sorted(of(FILES), key=lambda command: "--with-secrets" not in command.words)
    found = []
    for command in listed:
        if "--with-secrets" in command.words and "--passphrase-file" not in command.words:
            continue  # asks at a terminal; tests/pumpwatch/commands/test_backup.py answers
        if command.name == "pumpwatch backup":
            (tmp_path / "ward.backup").unlink(missing_ok=True)
        found += run_all([command], data, places)
    assert found == []
    assert (restored / "journal.sqlite").exists()
