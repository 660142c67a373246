"""Every option of every command answers a bad value with one sentence, never with a traceback."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from broker.mqtt.endpoint import host_and_port
from pumpwatch.__main__ import app
from pumpwatch.commands import alarms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import SettingsError

NUMBERS = ("-1", "0", "nan", "inf", "-inf", "1e308", "1e999", str(10**30), "99999999999999d", "9" * 5000)
NASTY = ("", *NUMBERS, "[/temp]", "a\x00b", "\udce4", "~nobody-here/x", "x" * 100_000, "7=" * 5000)
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
    "apikey add": ("nightly", "--role", "king"),
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
            if not command.invoke_without_command:
                continue
        for param in command.params:
            if param.param_type_name == "option" and not param.is_flag:
                yield words, max(param.opts, key=len)


SERVICES = {"run", "simulate", "process", "dashboard", "notify", "broker", "score", "load"}
"""Run until they are stopped if the value is fine, so they are not tried here."""
USAGE_ERROR: Final = typer.BadParameter.__mro__[1]
GROUP: Any = typer.main.get_command(app)
EVERY_OPTION = list(options(GROUP))
OPTIONS = [row for row in EVERY_OPTION if row[0] not in SERVICES]


def test_the_table_of_options_has_every_command() -> None:
    assert {"inject", "export", "user add"} <= {command for command, _ in OPTIONS}


@pytest.fixture(autouse=True)
def commands_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making all commands takes longer than most of them run."""
    monkeypatch.setattr("typer.testing._get_command", lambda _: GROUP)


def invoke(*words: str, **options: Any) -> Any:
    return CliRunner().invoke(app, list(words), **options)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_a_bad_value_ends_in_one_sentence(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in NASTY:
        known = {name for words, name in OPTIONS if words == command}
        extra = NOWHERE if "--broker" in known and option != "--broker" else ()
        data = ("--data", str(tmp_path / "data")) if "--data" in known and option != "--data" else ()
        result = invoke(*command.split(), *NEEDED.get(command, ()), *extra, *data, option, value)
        fine = result.exception is None or isinstance(result.exception, SystemExit | CommandError | SettingsError)
        assert fine, (value[:80], result.exception)


@pytest.mark.parametrize("command", sorted(SERVICES))
@pytest.mark.parametrize("value", NASTY, ids=lambda value: repr(value[:12]))
def test_a_bad_value_of_a_service_is_a_usage_error_before_it_starts(command: str, value: str) -> None:
    """Parses without running: a value is refused there, or by the check of the values that follows it."""
    for option in (name for words, name in EVERY_OPTION if words == command):
        with contextlib.suppress(USAGE_ERROR):
            GROUP.commands[command].make_context(command, [option, value])


def test_every_path_expands_the_home_directory_or_names_the_one_that_does_not_exist() -> None:
    for command, option in EVERY_OPTION:
        found: Any = GROUP
        for word in command.split():
            found = found.commands[word]
        (param,) = (each for each in found.params if option in each.opts)
        if param.metavar in {"FILE", "DIR", "NAME|FILE"}:
            result = invoke(
                *command.split(), *NEEDED.get(command, ()), option, "~nobody-here/x.toml", env={"COLUMNS": "300"}
            )
            assert result.exit_code == 2, (command, option)
            assert "~nobody-here/x.toml: there is no such home" in result.output, (command, option)


def test_a_scenario_is_found_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "Sömmer (1) + 2"
    folder.mkdir()
    (folder / "mine.toml").write_text("pumps = 1\nwrong = 2\n", "utf-8")
    result = invoke("score", "~/Sömmer (1) + 2/mine.toml")
    assert result.exit_code == 2
    assert "wrong" in result.output


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--speed", math.nan, "nan is not a number"),
        ("--why", "a\0b", r"'a\x00b' is not valid UTF-8 without NUL"),
        ("--proxy", ["x", "\udce4"], r"'\udce4' is not valid UTF-8 without NUL"),
    ],
)
def test_a_value_that_no_type_refuses_is_refused_by_its_option(option: str, value: object, sentence: str) -> None:
    def command(value: Any) -> None:
        raise AssertionError(value)

    command.__annotations__ = {"value": Annotated[Any, typer.Option(option)]}
    with pytest.raises(typer.BadParameter) as refused:
        with_checked_values(command)(value=value)
    assert (refused.value.param_hint, refused.value.message) == (option, sentence)


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "ü" * 300, "256.1.1.1", "host:80"])
@pytest.mark.parametrize(("command", "port"), [("dashboard", 8050), ("broker", 0), ("broker", 18333)])
def test_a_host_that_cannot_exist_is_refused(command: str, port: int, host: str, tmp_path: Path) -> None:
    result = invoke(command, "--port", str(port), "--host", host, "--data", str(tmp_path))
    assert isinstance(result.exception, CommandError)
    assert f"cannot listen at {host_and_port(host[:80], port)}: " in str(result.exception)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("program", "--dose", "1e308"), "100000"),
        (("program", "--change", "1001"), "1000"),
        (("program", "--boluses", "1000000000000"), "1000"),
        (("program", "--steps", "00:00=nan"), "'00:00=nan' is not a step"),
        (("program", "--steps", "00:00=1e308"), "a rate from 0 to 1,000"),
        (("program", "--steps", "2d=1"), "a time of day"),
        (("program", "--steps", ",".join(["00:00=1"] * 101)), "101 steps; allowed are up to 100"),
        (("program", "--days", "7"), "'7' is not a list of days, 0 (Monday) to 6"),
        (("program", "--days", "-1"), "is not a list of days"),
        (("program", "--dose", "nan"), "'--dose'"),
        (("refill", "--volume", "1e4"), "1000"),
        (("refill", "--actual-concentration", "inf"), "100000"),
        (("bolus", "--dose", "1", "--over", "3661d"), "allowed are 0s to 3660d"),
        (("score", "demo", "--pumps", "2000001"), "2000000"),
        (("score", "demo", "--days", "1e9"), "36500"),
        (("score", "demo", "--seed-shift", str(2**63)), "9223372036854775807"),
        (("score", "demo", "--turn", "99999d"), "allowed are 0s to 3660d"),
    ],
)
def test_a_value_outside_its_range_is_refused_with_the_range(words: tuple[str, ...], sentence: str) -> None:
    command, *rest = words
    needed = ("--pumps", "1") if command in NEEDED else ()
    nowhere = NOWHERE if command in NEEDED else ()
    result = invoke(command, *needed, *nowhere, *rest, env={"COLUMNS": "300"})
    assert result.exit_code == 2, result.output
    assert sentence in result.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("service", "out", "--about", "MY-1", "--why", "x" * 501), "why has 501 characters; allowed are up to 500"),
        (("pump", "retire", "--pumps", "x" * 201), "pumps[0] has 201 characters; allowed are up to 200"),
    ],
)
def test_a_text_that_is_too_long_is_refused_before_it_is_sent(
    words: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    result = invoke(*words, *NOWHERE, "--data", str(tmp_path))
    assert isinstance(result.exception, CommandError)
    assert sentence in str(result.exception)


@pytest.mark.parametrize("empty", ["", " ", ","])
@pytest.mark.parametrize("option", ["--alarms", "--about", "--rule"])
def test_an_empty_selection_does_not_select_every_alarm(
    option: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `--about "$PUMP"` with a variable that is not set."""
    found = pl.DataFrame({"alarm": ["A"], "subject": ["MY-1"], "rule": ["silence"]})
    monkeypatch.setattr(alarms, "open_alarms", lambda _: found)
    result = invoke("alarm", "acknowledge", option, empty, *NOWHERE, "--data", str(tmp_path), env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert f"{option}: is empty; name at least one" in result.output


@pytest.mark.parametrize("words", [("service", "out", "--about", ""), ("pump", "retire", "--pumps", " , ")])
def test_an_empty_list_of_pumps_is_refused_before_it_is_sent(words: tuple[str, ...], tmp_path: Path) -> None:
    result = invoke(*words, "--why", "x", *NOWHERE, "--data", str(tmp_path))
    assert result.exit_code == 2
    assert "is empty" in result.output


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
    words = ["user", "add", "vera", "--role", "operator", "--password-stdin"]
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
