"""`pumpwatch user`: dashboard accounts."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pumpwatch.commands import audit_entries, options, user_tables
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    from dashboard.access.account_changes import Change

ROLE_HELP = "viewer, operator, engineer or admin."
app = typer.Typer(no_args_is_help=True, help="Manage dashboard accounts.")

Name = Annotated[str, typer.Argument(help="Sign-in name.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]
Force = Annotated[bool, typer.Option("--force", help="Do it even if nobody is left who can manage accounts.")]


def _command(example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return lambda function: app.command(function.__name__.rstrip("_").replace("_", "-"), epilog=f"Example: {example}")(
        with_checked_values(function)
    )


@_command("pumpwatch user add vera --role operator")
def add(
    name: Name,
    *,
    role: Annotated[str, typer.Option("--role", help=ROLE_HELP)],
    password_stdin: PasswordStdin = False,
    data: options.Data = None,
) -> None:
    """Add an account, or change its role and password. With accounts, the dashboard requires sign-in by name."""
    from dashboard.access.accounts import AccessError, add_account, problem

    where, password = data or user_data(), _password(stdin=password_stdin)
    gone = problem(where)
    try:
        add_account(where, name, role, password, at=now_ms())
    except AccessError as error:
        raise CommandError(str(error)) from error
    if gone:
        typer.echo(f"warning: {gone}; this account is now the only one", err=True)
    _done(where, "account_added", f"added {name} as {role}")


@_command("pumpwatch user list --json")
def list_(*, as_json: options.AsJson = False, data: options.Data = None) -> None:
    """List the accounts: role, state, second factor and last sign-in."""
    from dashboard.access.accounts import AccessError, read_accounts
    from dashboard.access.session_table import last_sign_ins

    where = data or user_data()
    try:
        accounts, last = read_accounts(where), last_sign_ins(where)
    except (AccessError, sqlite3.Error, OSError) as error:
        raise CommandError(str(error)) from error
    user_tables.show_accounts(sorted(accounts.values(), key=lambda account: account.name), last, as_json=as_json)


@_command("pumpwatch user role vera engineer")
def role(
    name: Name,
    role_: Annotated[str, typer.Argument(metavar="ROLE", help=ROLE_HELP)],
    *,
    force: Force = False,
    data: options.Data = None,
) -> None:
    """Change the role of an account; this ends its sessions."""
    from dashboard.access import account_changes

    _change(data, name, lambda: account_changes.role(role_), f"made {name} {role_}", force=force)


@_command("pumpwatch user disable vera")
def disable(name: Name, *, force: Force = False, data: options.Data = None) -> None:
    """Disable an account; this ends its sessions."""
    from dashboard.access import account_changes

    _change(data, name, lambda: account_changes.disabled(True), f"disabled {name}", force=force)


@_command("pumpwatch user enable vera")
def enable(name: Name, *, data: options.Data = None) -> None:
    """Enable a disabled account."""
    from dashboard.access import account_changes

    _change(data, name, lambda: account_changes.disabled(False), f"enabled {name}")


@_command("pumpwatch user remove vera")
def remove(name: Name, *, force: Force = False, data: options.Data = None) -> None:
    """Remove an account; this ends its sessions."""
    from dashboard.access import account_changes

    _change(data, name, lambda: account_changes.removed, f"removed {name}", kind="account_removed", force=force)


@_command("pumpwatch user password vera")
def password(name: Name, *, password_stdin: PasswordStdin = False, data: options.Data = None) -> None:
    """Set a new password of an account; this ends its sessions."""
    from dashboard.access import account_changes

    new = _password(stdin=password_stdin)
    _change(data, name, lambda: account_changes.password(new), f"changed the password of {name}")


@_command("pumpwatch user reset-second-factor vera")
def reset_second_factor(name: Name, *, data: options.Data = None) -> None:
    """Remove the second factor of an account whose owner has lost it; this ends its sessions."""
    from dashboard.access import account_changes

    _change(data, name, lambda: account_changes.without_second_factor, f"reset the second factor of {name}")


@_command("pumpwatch user sessions vera --end")
def sessions(
    name: Name,
    *,
    end: Annotated[bool, typer.Option("--end", help="End all of them, within a second.")] = False,
    as_json: options.AsJson = False,
    data: options.Data = None,
) -> None:
    """List the sessions of an account: since when, last seen, from where. With --end, end them."""
    from dashboard.access import account_changes, session_table
    from dashboard.access.accounts import AccessError, read_accounts

    where = data or user_data()
    try:
        found = session_table.sessions_of(where, name)
        if end and name in read_accounts(where):
            account_changes.change(where, name, account_changes.ended, at=now_ms())
        if end:
            session_table.remove_of(where, name)
    except (AccessError, sqlite3.Error, OSError) as error:
        raise CommandError(f"the sessions of {name} cannot be read or ended: {error}") from error
    user_tables.show_sessions(name, found, as_json=as_json)
    if end:
        _done(where, "signed_out", f"ended {len(found)} session{'s' * (len(found) != 1)} of {name}")


def _password(*, stdin: bool) -> str:
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask for the password; give it with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _change(
    data: Path | None,
    name: str,
    make: Callable[[], Change],
    text: str,
    *,
    kind: str = "account_changed",
    force: bool = True,
) -> None:
    from dashboard.access import account_changes
    from dashboard.access.accounts import AccessError

    where = data or user_data()
    try:
        account_changes.change(where, name, make(), at=now_ms(), keep_admin=not force)
    except account_changes.LastAdminError as error:
        raise CommandError(f"{error}, or use --force") from error
    except AccessError as error:
        raise CommandError(str(error)) from error
    _done(where, kind, text)


def _done(data: Path, kind: str, text: str) -> None:
    typer.echo(text, err=True)
    audit_entries.record_afterwards(data, kind, text)
