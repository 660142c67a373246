"""Password of a broker: from a file, from the environment or from the broker's URL, and which of them applies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import typer

from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import PASSWORD_VARIABLE, environment
from pumpwatch.supervision.process import SUPERVISED

COMMAND_LINE, ENVIRONMENT, SETTINGS, RUNNING_SYSTEM = range(4)
"""Where a value is from; the lower wins."""
LEVELS: Final = {"COMMANDLINE": COMMAND_LINE, "ENVIRONMENT": ENVIRONMENT, "DEFAULT_MAP": SETTINGS}


class Source(StrEnum):
    """What gives the password, as people call it."""

    FILE = "--password-file"
    VARIABLE = PASSWORD_VARIABLE
    URL = "the address of --broker"


def level_of(ctx: typer.Context, option: str) -> int:
    """Return where the value of an option is from; an absent `--broker` is that of the running system."""
    source = ctx.get_parameter_source(option)
    return LEVELS.get("" if source is None else source.name, RUNNING_SYSTEM)


def choose(levels: Mapping[Source, int]) -> Source | None:
    """Return the source that wins: command line, then environment, then settings file, then running system.

    Raises `CommandError` if two have the same rank: a guess could lock the account at the broker.
    """
    if not levels:
        return None
    best = min(levels.values())
    first, *others = (source for source, level in levels.items() if level == best)
    if others:
        raise CommandError(f"the broker's password is given twice, by {first} and by {others[0]}; remove one of them")
    return first


def put_in(url: str, source: Source, *, file: str, variable: str) -> str:
    """Return the URL of a broker with the password of this source only, or with the path of its file.

    Raises `broker.mqtt.address.LinkError` if the source cannot be used, or the URL has no user.
    """
    from broker.mqtt import address, password
    from broker.mqtt.url_files import ConnectionFiles, with_files

    if source is Source.FILE:
        url = with_files(address.without_password(url), ConnectionFiles(password_file=file))
    elif source is Source.VARIABLE:
        try:
            secret = password.checked(variable, f"the variable {PASSWORD_VARIABLE}")
        except password.PasswordError as error:
            raise address.LinkError(str(error)) from error
        url = address.with_password(address.without_password(url), secret)
    found = address.parse_url(url)
    found.login()
    if password.is_public(found.files.password_file) and SUPERVISED not in environment():
        path = found.files.password_file
        typer.echo(f"warning: every user of this machine can read the password file {path}; chmod 600 it", err=True)
    return url


def with_variable(url: str) -> str:
    """Return the URL with the password of the environment, if its user has no other."""
    from broker.mqtt.address import parse_url, with_password

    address, variable = parse_url(url), environment().get(PASSWORD_VARIABLE)
    if not variable or not address.username or address.password is not None or address.files.password_file:
        return url
    return with_password(url, variable)
