"""Sign-in of the command line: by account and role if there are accounts, as the local user if there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyotp
import pytest
from typer.testing import CliRunner

from broker.contract.actions import Outcome
from broker.contract.signed import Verifier
from broker.contract.topics import COMMAND
from broker.store import account_files, action_key, journal_query
from dashboard.access import account_changes, passwords, second_factor
from dashboard.access.accounts import ROLES, add_account
from pumpwatch.__main__ import app
from pumpwatch.commands import alarms, sign_in
from pumpwatch.commands.caller import now_ms, system_user
from pumpwatch.commands.errors import CommandError

PASSWORD = "correct horse"
SERVICE = ("service", "out", "--about", "A", "--why", "repair")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, bytes]]:
    """What was sent to the processor: the actions, and the same as signed messages."""
    actions: list[tuple[Any, bytes]] = []

    def act(_url: str, action: Any, sign: Any) -> Outcome:
        actions.append((action, sign(COMMAND, b'{"id":"%s","who":"%s","at":%d}' % (b"1", b"x", action.at))))
        return Outcome(id=action.id, done=1, refused=0, text="Done.")

    monkeypatch.setattr(alarms, "act_on", act)
    return actions


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with an account of each role, named like it."""
    cheap = passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", cheap)
    for role in ROLES:
        add_account(tmp_path, role, role, PASSWORD)
    return tmp_path


def run(*words: str, data: Path, user: str = "", password: str = PASSWORD) -> Any:
    env = {"PUMPWATCH_USER": user, "PUMPWATCH_USER_PASSWORD": password} if user else {}
    return CliRunner().invoke(app, [*words, "--data", str(data)], env=env)


def audited(data: Path) -> list[tuple[str, str, str]]:
    entries = journal_query.entries(data, journal_query.Query(limit=100))
    return entries.select("kind", "who", pl.col("text").str.slice(0, 40)).rows()


def test_without_accounts_the_user_of_the_system_acts_and_signs(tmp_path: Path, sent: list[Any]) -> None:
    assert run(*SERVICE, data=tmp_path).exit_code == 0
    [(action, message)] = sent
    assert action.who == f"local:{system_user()}"
    verifier = Verifier(action_key.KeyFile(tmp_path / action_key.PUBLIC))
    assert verifier.open(COMMAND, message, now_ms())


def test_with_accounts_the_person_who_signs_in_acts(accounts: Path, sent: list[Any]) -> None:
    assert run(*SERVICE, data=accounts, user="engineer").exit_code == 0
    assert [action.who for action, _ in sent] == ["engineer"]
    assert audited(accounts) == []


def test_the_password_may_come_from_a_file(accounts: Path, sent: list[Any]) -> None:
    file = accounts / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    words = (*SERVICE, "--user", "engineer", "--user-password-file", str(file))
    assert run(*words, data=accounts).exit_code == 0
    assert [action.who for action, _ in sent] == ["engineer"]


def test_a_disabled_account_is_refused_like_a_wrong_password(accounts: Path, sent: list[Any]) -> None:
    account_changes.change(accounts, "engineer", account_changes.disabled(True), at=now_ms())
    assert "wrong name or password" in str(run(*SERVICE, data=accounts, user="engineer").exception)
    assert sent == []


def test_where_accounts_were_the_local_user_does_not_act_instead(accounts: Path, sent: list[Any]) -> None:
    account_files.path(accounts).unlink()
    assert "nobody can sign in" in str(run(*SERVICE, data=accounts).exception)
    assert sent == []


def test_a_second_factor_needs_a_code_that_is_valid_once(
    accounts: Path, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, (code, *_), hashes = second_factor.new_secret(), *second_factor.recovery_codes()
    account_changes.change(
        accounts, "engineer", lambda known: replace(known, totp=secret, recovery=hashes), at=now_ms()
    )
    assert "no terminal to ask for the code" in str(run(*SERVICE, data=accounts, user="engineer").exception)
    monkeypatch.setattr(sign_in, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    answers = [pyotp.TOTP(secret).now()] * 2 + [code] * 2 + ["000"]
    monkeypatch.setattr(sign_in.typer, "prompt", lambda *_, **__: answers.pop(0))
    told = [run(*SERVICE, data=accounts, user="engineer").exception for _ in range(5)]
    wrong = "sign-in failed: wrong code, or used before"
    assert [error and str(error) for error in told] == [None, wrong, None, wrong, wrong]
    assert [entry[0] for entry in audited(accounts)] == ["sign_in_failed"] * 3


@pytest.mark.parametrize(("user", "password"), [("engineer", "wrong horse"), ("nobody", PASSWORD)])
def test_a_wrong_name_or_password_is_refused_alike_and_recorded(
    accounts: Path, sent: list[Any], user: str, password: str
) -> None:
    refused = run(*SERVICE, data=accounts, user=user, password=password)
    assert str(refused.exception) == "sign-in failed: wrong name or password"
    assert isinstance(refused.exception, CommandError)
    assert sent == []
    assert [entry[:2] for entry in audited(accounts)] == [("sign_in_failed", user)]


def test_what_the_role_does_not_allow_is_refused_and_recorded(accounts: Path, sent: list[Any]) -> None:
    refused = run(*SERVICE, data=accounts, user="viewer")
    assert "viewer may not take out of service or return to service: the role viewer" in str(refused.exception)
    assert sent == []
    assert audited(accounts) == [("denied", "viewer", "tried to take out of service or return to serv"[:40])]


def test_without_a_terminal_it_says_how_a_script_signs_in(accounts: Path, sent: list[Any]) -> None:
    assert str(run(*SERVICE, data=accounts).exception).endswith("no terminal to ask; give --user")
    missing = CliRunner().invoke(app, [*SERVICE, "--data", str(accounts), "--user", "engineer"])
    assert str(missing.exception).endswith("give --user-password-file")
    assert sent == []


def test_an_engineer_transfers_a_pump_by_serial_and_gateway(accounts: Path, sent: list[Any]) -> None:
    assert run("pump", "transfer", "ITB-1", "ward-2", data=accounts, user="engineer").exit_code == 0
    [(action, _)] = sent
    assert (action.pumps, action.gateway, action.who) == (["ITB-1"], "ward-2", "engineer")
    for words in (("transfer", "ITB-1"), ("transfer", "--pumps", "ITB-1"), ("retire", "ITB-1"), ("retire",)):
        assert run("pump", *words, data=accounts, user="engineer").exit_code == 2
    assert len(sent) == 1


@pytest.mark.parametrize("words", [("inject", "motor_stall", "--pumps", "1"), ("stop", "--pumps", "1"), ("clear",)])
def test_every_command_to_pumps_has_the_options_to_sign_in(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [words[0], "--help"], env={"COLUMNS": "200"}).stdout
    assert "--user " in shown
    assert "--user-password-file" in shown
