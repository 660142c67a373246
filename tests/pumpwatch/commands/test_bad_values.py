"""Every option of every command answers a bad value with one sentence, never with a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pumpwatch.__main__ import app
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import SettingsError

NASTY = ("", "-1", "99999999999999d", "nan", "1e999", "[/temp]", "a\x00b", "\udce4", "~nobody-here/x", "9" * 400)
NEEDED = {
    "inject": ("motor_stall", "--pumps", "1"),
    "program": ("--pumps", "1"),
    "bolus": ("--pumps", "1", "--dose", "1"),
    "stop": ("--pumps", "1"),
    "refill": ("--pumps", "1"),
    "replace": ("--pumps", "1"),
    "interrogate": ("--pumps", "1"),
    "alarm": ("acknowledge", "--alarms", "all"),
    "service": ("out", "--about", "MY-1", "--why", "x"),
    "user add": ("vera", "--role", "king", "--password-stdin"),
}
"""Words without which a command ends before it looks at an option."""
NOWHERE = ("--broker", "mqtt://127.0.0.1:1")


def options(group: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every option that takes a value, with the words of its command."""
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from options(command, words)
            continue
        for param in command.params:
            if param.param_type_name == "option" and not param.is_flag:
                yield words, max(param.opts, key=len)


SERVICES = {"run", "simulate", "process", "dashboard", "broker", "score"}
"""Run until they are stopped if the value is fine, so they are not tried here."""
OPTIONS = [row for row in options(typer.main.get_command(app)) if row[0] not in SERVICES]


def test_the_table_of_options_has_every_command() -> None:
    assert {"inject", "export", "user add"} <= {command for command, _ in OPTIONS}


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_a_bad_value_ends_in_one_sentence(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in NASTY:
        known = {name for words, name in OPTIONS if words == command}
        extra = NOWHERE if "--broker" in known and option != "--broker" else ()
        data = ("--data", str(tmp_path / "data")) if "--data" in known and option != "--data" else ()
        result = CliRunner().invoke(app, [*command.split(), *NEEDED.get(command, ()), *extra, *data, option, value])
        fine = result.exception is None or isinstance(result.exception, SystemExit | CommandError | SettingsError)
        assert fine, (value, result.exception)


@pytest.mark.parametrize("lasts", ["99999999999999d", "3661d", "-1s", "nan", "inf"])
def test_a_time_out_of_service_is_refused_with_its_range(lasts: str, tmp_path: Path) -> None:
    words = ["service", "out", "--about", "MY-1", "--why", "x", "--for", lasts, "--data", str(tmp_path)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert lasts in result.output
    assert "0s to 3660d" in result.output or "is not a duration" in result.output


def test_a_tilde_is_the_home_directory_wherever_a_path_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pumpwatch.toml").write_text('data = "~/pw"', "utf-8")
    words = ["user", "add", "vera", "--role", "staff", "--password-stdin"]
    for extra, variables in (([], {}), (["--data", "~/flag"], {}), ([], {"PUMPWATCH_DATA": "~/variable"})):
        result = CliRunner().invoke(app, [*words, *extra], input="long enough for a password\n", env=variables)
        assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} >= {"flag", "variable"}
    assert not (tmp_path / "~").exists()


def test_without_a_home_directory_a_data_directory_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda _: Path("~/.local/share/pumpwatch"))
    result = CliRunner().invoke(app, ["journal"])
    assert isinstance(result.exception, SettingsError)
    assert "give a directory with --data" in str(result.exception)
