"""Running commands of README and docs in this process, and what is wrong with their answers."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from pumpwatch.__main__ import app
from tests.pumpwatch.documentation.code_blocks import Command, blocks, commands
from tests.pumpwatch.documentation.treatments import REFUSALS, treatment_of

LISTED = [command for block in blocks() if block.language == "sh" for command in commands(block)]


def invoke(data: Path, words: list[str]) -> tuple[int, str]:
    """Return the exit code of a command, and what it said."""
    result = CliRunner().invoke(app, words, env={"PUMPWATCH_DATA": str(data), "COLUMNS": "300"})
    return result.exit_code, result.output + (str(result.exception) if result.exception else "")


def of(*treatments: str) -> list[Command]:
    """Return the commands with these treatments, equal ones once."""
    return list({c.words: c for c in LISTED if treatment_of(c.name) in treatments}.values())


def wrong(command: Command, code: int, said: str) -> str:
    """Return what is wrong with the answer to a command; empty if nothing is."""
    if "Traceback" in said:
        return f"{command}: {said}"
    for (name, word), reason in REFUSALS.items():
        if command.name == name and word in command.words and code != 0:
            return "" if re.search(reason, said) else f"{command}: {said}"
    return "" if code == 0 else f"{command}: exit code {code}: {said}"


def run_all(listed: list[Command], data: Path, places: dict[str, str]) -> list[str]:
    """Run commands in order; return what is wrong."""
    found = []
    for command in listed:
        words = list(command.words[1:])
        for place, meant in places.items():
            words = [word.replace(place, meant) for word in words]
        found.append(wrong(command, *invoke(data, words)))
    return [each for each in found if each]
