"""`pumpwatch user`: dashboard accounts."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pumpwatch.commands import options
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import user_data

app = typer.Typer(no_args_is_help=True, help="Manage dashboard accounts.")


@app.command(epilog="Example: pumpwatch user add vera --role staff")
@with_checked_values
def add(
    name: Annotated[str, typer.Argument(help="Sign-in name.")],
    *,
    role: Annotated[str, typer.Option("--role", help="viewer, staff or engineer.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
    ] = False,
    data: options.Data = None,
) -> None:
    """Add an account, or change its role and password. With accounts, the dashboard requires sign-in by name."""
    from dashboard.access.accounts import AccessError, add_account

    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask for the password; give it with --password-stdin")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        add_account(data or user_data(), name, role, password)
    except AccessError as error:
        raise CommandError(str(error)) from error
    typer.echo(f"added {name} as {role}", err=True)
