"""Settings: which source wins, and what the settings file may hold."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

from pumpwatch.__main__ import app, settings, settings_of
from pumpwatch.commands import options
from pumpwatch.settings import (
    TYPES,
    SettingsError,
    environment,
    keep_memory,
    nearest,
    read_file,
    return_memory,
    share_cores,
)


@pytest.fixture
def empty_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty directory without the variable PUMPWATCH_PUMPS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PUMPWATCH_PUMPS", raising=False)


def pumps(*arguments: str) -> str:
    """Return the values of --pumps and --speed that a command received."""
    probe = typer.Typer()
    probe.callback()(settings)

    @probe.command()
    def show(*, pumps: options.Pumps = None, speed: options.Speed = 60.0) -> None:
        typer.echo(f"{pumps} {speed:g}")

    @probe.command()
    def other() -> None:
        """Make the app a group; with one command only, it would have no subcommands."""

    inner = typer.Typer()
    inner.command("show")(show)
    inner.command("other")(other)
    probe.add_typer(inner, name="inner")
    result = CliRunner().invoke(probe, list(arguments))
    return result.output.strip()


@pytest.mark.usefixtures("empty_directory")
def test_without_any_source_the_default_applies() -> None:
    assert pumps("show") == "None 60"


@pytest.mark.usefixtures("empty_directory")
def test_the_file_wins_over_the_default() -> None:
    Path("pumpwatch.toml").write_text("pumps = 5\nspeed = 2")
    assert pumps("show") == "5 2"


@pytest.mark.usefixtures("empty_directory")
def test_commands_of_a_group_read_the_file_too() -> None:
    Path("pumpwatch.toml").write_text("pumps = 5")
    assert pumps("inner", "show") == "5 60"


@pytest.mark.usefixtures("empty_directory")
def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pumpwatch.toml").write_text("pumps = 5")
    monkeypatch.setenv("PUMPWATCH_PUMPS", "6")
    assert pumps("show") == "6 60"


@pytest.mark.usefixtures("empty_directory")
def test_the_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUMPWATCH_PUMPS", "6")
    assert pumps("show", "--pumps", "7") == "7 60"


@pytest.mark.usefixtures("empty_directory")
def test_another_settings_file_can_be_named() -> None:
    Path("mine.toml").write_text("pumps = 8")
    assert pumps("--settings", "mine.toml", "show") == "8 60"


def settings_file(folder: Path, text: str) -> Path:
    """Write a settings file and return its path."""
    file = folder / "pumpwatch.toml"
    file.write_text(text)
    return file


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"unknown setting 'pump'; did you mean pumps\? Settings: broker, data, pumps"
    ):
        read_file(settings_file(tmp_path, "pump = 5"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("pumps = 0", "pumps = 0 is not allowed; use an integer from 1 to 2,000,000"),
        ("pumps = 2000001", "pumps = 2000001 is not allowed; use an integer from 1 to 2,000,000"),
        ('pumps = "many"', "pumps = 'many' is not allowed; use an integer from 1 to 2,000,000"),
        ("pumps = true", "pumps = True is not allowed"),
        ("pumps = 2.5", "pumps = 2.5 is not allowed"),
        ("port = 65536", "port = 65536 is not allowed; use an integer from 1 to 65,535"),
        ("speed = 0", "speed = 0 is not allowed; use a number from 0.1 to 100,000"),
        ("seed = -1", "seed = -1 is not allowed; use an integer from 0"),
        ("history-size = 0.001", "history-size = 0.001 is not allowed; use a number from 0.01 to 1,000,000"),
        ('payload = "xml"', 'payload = \'xml\' is not allowed; use "auto", "json" or "arrow"'),
        ("interval = true", 'interval = True is not allowed; use text in quotes, such as "60s" or "5m"'),
        ("key = 7", "key (not shown: it may be secret) is not allowed; use text in quotes"),
        ('broker = ["mqtt://anna:x@h"]', "broker (not shown: it may be secret) is not allowed; use text in quotes"),
        (
            'trusted-proxy = "10.0.0.0/8"',
            "trusted-proxy = '10.0.0.0/8' is not allowed; use a list of at most 100",
        ),
        ("[pumps]\nnumber = 5", "pumps = {'number': 5} is not allowed"),
        ("history-size = 1\nhistory_size = 2", "history_size is set twice"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_what_is(line: str, sentence: str, tmp_path: Path) -> None:
    file = settings_file(tmp_path, line)
    with pytest.raises(SettingsError, match=re.escape(f"{file}: {sentence}")):
        read_file(file)


def test_values_at_the_ends_of_their_ranges_are_accepted(tmp_path: Path) -> None:
    lines = ("pumps = 1", "port = 65535", "speed = 0.1", "interval = 60", 'payload = "arrow"')
    text = "\n".join((*lines, "history-size = 1_000_000", "history_days = 0"))
    assert read_file(settings_file(tmp_path, text)) == {
        "pumps": 1, "port": 65535, "speed": 0.1, "history_size": 1_000_000, "history_days": 0, "payload": "arrow",
        "interval": 60,
    }  # fmt: skip


def test_several_proxies_are_a_list(tmp_path: Path) -> None:
    text = 'public-url = "https://ward.example/"\ntrusted-proxy = ["::1", "10.0.0.0/8"]'
    assert read_file(settings_file(tmp_path, text))["trusted_proxy"] == ["::1", "10.0.0.0/8"]


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not valid TOML"):
        read_file(settings_file(tmp_path, "pumps = "))


def test_a_settings_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*No such file"):
        read_file(tmp_path / "absent.toml")


def options_with_variables() -> list[Any]:
    """Return every option that the environment and the settings file may set, of every command."""
    commands = typer.main.get_command(app).commands.values()
    return [param for command in commands for param in command.params if getattr(param, "envvar", None)]


def test_every_option_with_a_variable_is_a_setting_and_the_reverse() -> None:
    variables = {(param.name, param.envvar) for param in options_with_variables()}
    assert variables == {(name, f"PUMPWATCH_{name.upper()}") for name in TYPES}
    assert {name for names in settings_of(typer.main.get_command(app)).values() for name in names} == set(TYPES)


def test_options_and_settings_file_have_the_same_ranges() -> None:
    ranges = {
        param.name: (param.min, param.max)
        for param in options_with_variables()
        if (param.min, param.max) != (None, None)
    }
    bounds = {name: get_args(kind)[1] for name, kind in TYPES.items() if get_origin(kind) is Annotated}
    assert ranges == {name: (limit.ge, limit.le) for name, limit in bounds.items() if limit.ge is not None}
    assert len(ranges) == 20


def test_the_nearest_known_name_is_suggested() -> None:
    assert nearest("catheter_oclusion", ["motor_stall", "catheter_occlusion"]) == "did you mean catheter_occlusion? "
    assert nearest("xyz", ["motor_stall"]) == ""


def test_polars_keeps_freed_memory_unless_the_user_has_set_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RJEM_MALLOC_CONF", "")
    monkeypatch.delenv("_RJEM_MALLOC_CONF")
    keep_memory()
    assert environment()["_RJEM_MALLOC_CONF"] == "dirty_decay_ms:10000"
    monkeypatch.setenv("_RJEM_MALLOC_CONF", "dirty_decay_ms:0")
    keep_memory()
    assert environment()["_RJEM_MALLOC_CONF"] == "dirty_decay_ms:0"


def test_glibc_returns_large_blocks_unless_the_user_has_set_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    calls: list[tuple[int, int]] = []

    def mallopt(option: int, size: int) -> int:
        calls.append((option, size))
        return 1

    known = {"mallopt": mallopt}
    monkeypatch.setattr("pumpwatch.settings.ctypes.CDLL", lambda _: SimpleNamespace(**known))
    monkeypatch.setattr("pumpwatch.settings.sys.platform", "linux")
    assert return_memory()
    assert calls == [(-3, 65_536), (-1, 131_072)]
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    assert not return_memory()
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    known.clear()
    assert not return_memory(), "musl has no mallopt"
    assert len(calls) == 2


@pytest.mark.parametrize(("cores", "threads"), [(None, "1"), (1, "1"), (2, "1"), (5, "2"), (16, "8")])
def test_each_part_uses_half_of_the_cores_unless_the_user_has_set_otherwise(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: str
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    share_cores()
    assert environment()["POLARS_MAX_THREADS"] == threads
    monkeypatch.setenv("POLARS_MAX_THREADS", "7")
    share_cores()
    assert environment()["POLARS_MAX_THREADS"] == "7"
