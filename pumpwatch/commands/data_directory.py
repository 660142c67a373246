"""The data directory of a command: where its secrets are (`--secrets`), and that only its owner can read it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from broker.store import data_format, private_files, secret_files
from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import PREFIX, user_data

Secrets = Annotated[
    Path | None,
    typer.Option(
        "--secrets",
        envvar=f"{PREFIX}SECRETS",
        metavar="DIR",
        callback=options.path,
        help="Directory of keys, passwords and accounts; later commands find it by themselves. Default: in --data.",
        show_default=False,
    ),
]
UMASK: Final = 0o077
PARTS: Final = frozenset({"run", "simulate", "process", "dashboard", "notify", "broker"})
"""Commands that take rights from others that files of an earlier version give."""
WRITERS: Final = frozenset({"run", "process"})
"""Commands that write most of a data directory, and bring one of an earlier version up to date."""


def keep_private() -> None:
    """Give others no rights on any file that this process and its children make."""
    os.umask(UMASK)


def with_private_data(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the option `--secrets` if it has `--data`."""
    signature = inspect.signature(command)
    if "data" not in signature.parameters:
        return command

    @functools.wraps(command)
    def wrapped(*args: Any, secrets: Path | None, **values: Any) -> None:
        try:
            data = values["data"] or user_data()
            data_format.check(data)
            if secrets is not None:
                secret_files.place(data, secrets)
            if command.__name__ in PARTS:
                private_files.tighten(data)
            if command.__name__ in WRITERS:
                _bring_up_to_date(data)
        except data_format.DataFormatError as error:
            raise CommandError(str(error)) from error
        except secret_files.SecretsError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"cannot use --secrets {secrets}: {error.strerror or error}") from error
        command(*args, **values)

    hints = {**get_type_hints(command, include_extras=True), "secrets": Secrets}
    given = [parameter.replace(annotation=hints[name]) for name, parameter in signature.parameters.items()]
    added = inspect.Parameter("secrets", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Secrets)
    # Typer reads both; evaluated, because names in them are those of the module of the command.
    wrapped.__annotations__ = hints
    vars(wrapped)["__signature__"] = signature.replace(parameters=[*given, added], return_annotation=None)
    return wrapped


def _bring_up_to_date(data: Path) -> None:
    # A disk that is full or refuses is reported by what writes samples to it.
    with contextlib.suppress(OSError):
        data.mkdir(parents=True, exist_ok=True)
        data_format.bring_up_to_date(data)


def complete(group: typer.Typer) -> typer.Typer:
    """Give the option to the commands of a group, such as `pumpwatch user`; return the group."""
    for known in group.registered_commands:
        if known.callback is not None:
            known.callback = with_private_data(known.callback)
    return group
