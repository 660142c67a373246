"""Reference of the command line, from the options and help texts of its commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from pumpwatch.documentation.markdown import code, page, table


def cli_page() -> str:
    """Return the reference of the command line."""
    from pumpwatch.__main__ import app

    group: Any = typer.main.get_command(app)
    return page(
        "Command line",
        "An option is taken from the command line, else from its variable of the environment, else from "
        "`pumpwatch.toml` in the working directory (or `--settings FILE`; names as the options', without dashes in "
        "front), else its default. Data goes to stdout, everything else to stderr. Exit code 0: done; 1: failed; "
        "2: wrongly asked.",
        *_commands(group, "pumpwatch"),
    )


def _commands(group: Any, front: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{front} {name}")
            continue
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        words = " ".join(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)
        text = f"## {front} {name}\n\n{command.help}\n\n{command.epilog.replace('Example: ', '```sh')}"
        text = text.replace("```sh", "```sh\n") + "\n```\n"
        rows = [
            *((code(p.name.upper()), p.help or "", "", "") for p in arguments),
            *((code(p.opts[0]), p.help or "", code(p.envvar or ""), _default(p)) for p in options),
        ]
        usage = f"\nUsage: `{' '.join(filter(None, (front, name, words)))}`\n"
        yield text + usage + (f"\n{table(('option', 'meaning', 'variable', 'default'), rows)}" if rows else "")


def _default(param: Any) -> str:
    if param.required:
        return "needed"
    shown = param.show_default and param.default not in (None, "", False)
    return code(str(param.default)) if shown else ""
