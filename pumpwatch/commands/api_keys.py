"""`pumpwatch apikey`: keys of the HTTP API."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from broker.display import terminal
from pumpwatch.commands import audit_entries, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    from dashboard.access.api_key_file import ApiKey

app = typer.Typer(no_args_is_help=True, help="Manage API keys.")
Name = Annotated[str, typer.Argument(help="Name of the key, such as that of the program that uses it.")]


@app.command(epilog="Example: pumpwatch apikey add nightly-export --role viewer --days 30")
@with_checked_values
def add(
    name: Name,
    *,
    role: Annotated[str, typer.Option("--role", help="viewer, operator, engineer or admin.")],
    days: Annotated[int, typer.Option("--days", help="Days until it expires, 1 to 365.")] = 90,
    data: options.Data = None,
) -> None:
    """Create an API key, and print it: it is shown this once, and kept nowhere."""
    from dashboard.access.accounts import AccessError
    from dashboard.access.api_key_file import add_key, day

    where = data or user_data()
    try:
        key, token = add_key(where, name, role, days, at=now_ms())
    except (AccessError, OSError) as error:
        raise CommandError(str(error)) from error
    text = f"created the API key {name} as {role} until {day(key.expires)}"
    typer.echo(text, err=True)
    typer.echo(token)
    audit_entries.record_afterwards(where, "api_key_changed", text)


@app.command("list", epilog="Example: pumpwatch apikey list --json")
@with_checked_values
def list_(*, as_json: options.AsJson = False, data: options.Data = None) -> None:
    """List the API keys: role, who made them, when they expire and were used last; never the keys themselves."""
    from dashboard.access.accounts import AccessError
    from dashboard.access.api_key_file import last_uses, read_keys

    where = data or user_data()
    try:
        keys, uses = read_keys(where), last_uses(where)
    except (AccessError, sqlite3.Error, OSError) as error:
        raise CommandError(str(error)) from error
    if as_json:
        fields = ("name", "role", "creator", "created", "expires")
        write_json([{field: getattr(one, field) for field in fields} | {"used": uses.get(one.id)} for one in keys])
        return
    names = ("name", "role", "created by", "created", "expires", "last use")
    columns: dict[str, dict[str, Any]] = {name: {} for name in names}
    cells = (_cells(one, uses.get(one.id)) for one in keys)
    Console().print(terminal.table("API keys", columns, cells, note="Add one: pumpwatch apikey add NAME --role ROLE"))


@app.command(epilog="Example: pumpwatch apikey revoke nightly-export")
@with_checked_values
def revoke(name: Name, *, data: options.Data = None) -> None:
    """Revoke an API key; a running dashboard refuses it at once."""
    from dashboard.access.accounts import AccessError
    from dashboard.access.api_key_file import revoke_key

    where = data or user_data()
    try:
        revoke_key(where, name)
    except (AccessError, OSError) as error:
        raise CommandError(str(error)) from error
    text = f"revoked the API key {name}"
    typer.echo(text, err=True)
    audit_entries.record_afterwards(where, "api_key_changed", text)


def _cells(key: ApiKey, used: int | None) -> tuple[str, ...]:
    expires = _utc(key.expires) + (" (expired)" if key.expires <= now_ms() else "")
    return (
        key.name,
        key.role,
        key.creator or "command line",
        _utc(key.created),
        expires,
        "never" if used is None else _utc(used),
    )


def _utc(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
