"""Reference of the command line, from the options and help texts of its commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from pumpwatch.documentation.markdown import code, page, table

HEADS: Final = ("option", "meaning", "environment variable", "default")


def cli_page() -> str:
    """Return the reference of the command line."""
    from pumpwatch.__main__ import app

    group: Any = typer.main.get_command(app)
    return page(
        "Command line",
        "An option is read from the command line, then from its environment variable, then from the settings file, "
        "and else has its default. The settings file is `pumpwatch.toml` in the working directory, or `--settings "
        "FILE`; a setting is named after its option, such as `history-size = 5`. Data goes to stdout, everything else "
        "to stderr. Exit codes: 0 success, 1 failure, 2 invalid usage.",
        *_commands(group, "pumpwatch"),
    )


def leaves(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the full name of each command of a group, and the command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{path} {name}", command
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in leaves(group, path):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        placeholders = " ".join(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)
        text = f"## {name}\n\n{command.help}\n\n{command.epilog.replace('Example: ', '```sh')}"
        text = text.replace("```sh", "```sh\n") + "\n```\n"
        rows = [
            *((code(p.name.upper()), p.help or "", "", "") for p in arguments),
            *((code(p.opts[0]), p.help or "", code(p.envvar or ""), default_of(p)) for p in options),
        ]
        usage = f"\nUsage: `{' '.join(filter(None, (name, placeholders)))}`\n"
        yield text + usage + (f"\n{table(HEADS, rows)}" if rows else "")


def default_of(param: Any) -> str:
    """Return the default of an option as it is shown; empty if there is none."""
    if param.required:
        return "required"
    shown = param.show_default and param.default not in (None, "", False)
    return code(str(param.default)) if shown else ""
