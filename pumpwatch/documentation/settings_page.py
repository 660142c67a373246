"""Reference of settings: every option that a settings file or the environment may set, and which commands read it."""

from __future__ import annotations

from typing import Any, Final

import typer

from pumpwatch.documentation.cli_page import default_of, leaves
from pumpwatch.documentation.markdown import code, page, table

HEADS: Final = ("setting", "environment variable", "default", "meaning", "read by")
MAX_NAMED: Final = 4
"""Commands that are named; a setting with more is one of nearly all."""


def settings_page() -> str:
    """Return the reference of settings."""
    from pumpwatch.__main__ import app

    group: Any = typer.main.get_command(app)
    found: dict[str, tuple[Any, list[str]]] = {}
    for path, command in leaves(group, "pumpwatch"):
        for option in command.params:
            if option.param_type_name == "option" and option.envvar:
                found.setdefault(option.opts[0].removeprefix("--"), (option, []))[1].append(path)
    rows = (
        (code(name), code(str(option.envvar)), default_of(option), option.help or "", _commands(paths))
        for name, (option, paths) in sorted(found.items())
    )
    return page(
        "Settings",
        "A setting is read from the command line, then from its environment variable, then from the settings file "
        "(`pumpwatch.toml` in the working directory, or `--settings FILE`), and else has its default. An unknown name "
        "in the file is refused. [Command line](cli.md) has the options that only make sense there.",
        table(HEADS, rows),
    )


def _commands(paths: list[str]) -> str:
    return ", ".join(map(code, paths)) if len(paths) <= MAX_NAMED else f"{len(paths)} commands"
