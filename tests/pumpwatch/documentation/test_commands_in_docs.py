"""Every code block in README and docs works: commands are run or understood; `treatments` says which."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from pumpwatch.settings import read_file
from tests.pumpwatch.documentation.code_blocks import ROOT, Block, Command, blocks, commands, leaf
from tests.pumpwatch.documentation.treatments import EXAMPLE_FILES, MAKE, PLAIN, SCRIPT, TOML_OF_OTHERS, treatment_of

ALL = list(blocks())
SHELL = [block for block in ALL if block.language == "sh"]
LISTED = [command for block in SHELL for command in commands(block)]
USAGE_ERROR = typer.BadParameter.__mro__[1]


def of(treatment: str) -> list[Command]:
    return [command for command in LISTED if treatment_of(command.name) == treatment]


def test_every_command_has_a_treatment() -> None:
    unknown = {command.name for command in LISTED if treatment_of(command.name) is None}
    assert unknown == set(), "say in treatments.py how they are tested"


def test_every_block_is_of_a_language_that_is_checked() -> None:
    known = {"sh", "python", "json", "toml", "yaml", *PLAIN}
    assert {str(block): block.language for block in ALL if block.language not in known} == {}


def test_our_command_line_understands_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in EXAMPLE_FILES:
        (tmp_path / name).write_text("an example")
    refused = {}
    for command in LISTED:
        if command.words[0] == "pumpwatch":
            try:
                parse(list(command.words[1:]))
            except (KeyError, USAGE_ERROR) as error:
                refused[str(command)] = getattr(error, "message", None) or repr(error)
    assert refused == {}


def parse(words: list[str]) -> None:
    """Parse a command line as the program does, without running it; raise what is wrong with it."""
    command, _, rest = leaf(words)
    context = command.make_context(command.name, list(rest))
    if hasattr(command, "commands") and (context.args or not command.invoke_without_command):
        raise KeyError(f"no such command: {' '.join(words)}")


def test_a_command_that_is_wrong_would_be_found() -> None:
    for words in (["fautls"], ["run", "--no-such-option"], ["inject", "--pumps", "3"], ["user", "role", "vera"]):
        with pytest.raises((KeyError, USAGE_ERROR)):
            parse(words)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {word for command in of(MAKE) for word in command.words[1:] if "=" not in word}
    assert wanted - targets == set()
    assert {"run", "test"} <= wanted


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_shell_understands_every_block(block: Block) -> None:
    done = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_modules_that_are_run_exist() -> None:
    modules = {command.words[2] for command in of(SCRIPT) if command.words[:2] == ("python", "-m")}
    modules.discard("venv")
    assert [name for name in modules if not (ROOT / name.replace(".", "/")).with_suffix(".py").exists()] == []


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "python"], ids=str)
def test_python_blocks_compile(block: Block) -> None:
    compile(ast.parse(block.text), str(block), "exec")


@pytest.mark.parametrize("block", [block for block in ALL if block.language in {"json", "toml", "yaml"}], ids=str)
def test_data_blocks_can_be_read(block: Block, tmp_path: Path) -> None:
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    else:
        tomllib.loads(block.text)
        if block.page not in TOML_OF_OTHERS:
            (tmp_path / "pumpwatch.toml").write_text(block.text)
            read_file(tmp_path / "pumpwatch.toml")
