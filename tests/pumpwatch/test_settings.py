"""Where settings come from, and which source wins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pumpwatch.__main__ import app, settings, settings_of
from pumpwatch.commands import options
from pumpwatch.settings import Settings, SettingsError, environment, keep_memory, nearest, read_file


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty directory without PUMPWATCH_ variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PUMPWATCH_PUMPS", raising=False)


def pumps(*arguments: str) -> str:
    """Return what a command with --pumps saw."""
    probe = typer.Typer()
    probe.callback()(settings)

    @probe.command()
    def look(*, pumps: options.Pumps = None, speed: options.Speed = 60.0) -> None:
        typer.echo(f"{pumps} {speed:g}")

    @probe.command()
    def other() -> None:
        """Stand beside, so that there is a group."""

    result = CliRunner().invoke(probe, list(arguments))
    return result.output.strip()


@pytest.mark.usefixtures("alone")
def test_a_default_holds_where_nobody_says_anything() -> None:
    assert pumps("look") == "None 60"


@pytest.mark.usefixtures("alone")
def test_the_file_wins_over_the_default() -> None:
    Path("pumpwatch.toml").write_text("pumps = 5\nspeed = 2")
    assert pumps("look") == "5 2"


@pytest.mark.usefixtures("alone")
def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pumpwatch.toml").write_text("pumps = 5")
    monkeypatch.setenv("PUMPWATCH_PUMPS", "6")
    assert pumps("look") == "6 60"


@pytest.mark.usefixtures("alone")
def test_the_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUMPWATCH_PUMPS", "6")
    assert pumps("look", "--pumps", "7") == "7 60"


@pytest.mark.usefixtures("alone")
def test_another_file_can_be_named() -> None:
    Path("mine.toml").write_text("pumps = 8")
    assert pumps("--settings", "mine.toml", "look") == "8 60"


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "pumpwatch.toml"
    file.write_text("pump = 5")
    with pytest.raises(
        SettingsError, match=r"unknown setting 'pump'; did you mean pumps\? known settings: broker, data"
    ):
        read_file(file)


def test_a_table_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pumpwatch.toml"
    file.write_text("[pumps]\nnumber = 5")
    with pytest.raises(SettingsError, match=r"pumps is .* expected `int | null`, got `object`"):
        read_file(file)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pumps = 0", "pumps is 0: expected `int` >= 1"),
        ("port = 65536", "port is 65536: expected `int` <= 65535"),
        ('speed = "fast"', "speed is 'fast': expected `float | null`, got `str`"),
        ("history_size = 0.0", "history_size is 0.0: expected `float` >= 0.01"),
        ('payload = "xml"', "payload is 'xml': invalid enum value 'xml'"),
        ('key = ""', "key is '': expected `str` of length >= 1"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "pumpwatch.toml"
    file.write_text(line)
    with pytest.raises(SettingsError, match=re.escape(f"pumpwatch.toml: {reason}")):
        read_file(file)


def test_the_settings_file_has_a_declared_range_for_every_option_with_a_variable() -> None:
    named = {name for names in settings_of(typer.main.get_command(app)).values() for name in names}
    assert named == set(Settings.__struct_fields__)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pumpwatch.toml"
    file.write_text("pumps = ")
    with pytest.raises(SettingsError, match="is not TOML"):
        read_file(file)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*No such file"):
        read_file(tmp_path / "absent.toml")


def test_every_setting_has_its_variable_by_its_name() -> None:
    group = typer.main.get_command(app)
    variables = {(p.name, p.envvar) for c in group.commands.values() for p in c.params if getattr(p, "envvar", None)}
    assert variables == {(name, f"PUMPWATCH_{name.upper()}") for name, _ in variables}
    assert {name for names in settings_of(group).values() for name in names} == {name for name, _ in variables}


def test_the_nearest_known_name_is_offered() -> None:
    assert nearest("catheter_oclusion", ["motor_stall", "catheter_occlusion"]) == "did you mean catheter_occlusion? "
    assert nearest("xyz", ["motor_stall"]) == ""


def test_memory_is_kept_for_the_next_judgement_unless_a_person_says_otherwise(monkeypatch):
    monkeypatch.setenv("_RJEM_MALLOC_CONF", "")
    monkeypatch.delenv("_RJEM_MALLOC_CONF")
    keep_memory()
    assert environment()["_RJEM_MALLOC_CONF"] == "dirty_decay_ms:10000"
    monkeypatch.setenv("_RJEM_MALLOC_CONF", "dirty_decay_ms:0")
    keep_memory()
    assert environment()["_RJEM_MALLOC_CONF"] == "dirty_decay_ms:0"
