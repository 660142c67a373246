"""Lists of accounts and sessions on the terminal, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from broker.display import terminal
from pumpwatch.commands.tables import write_json

if TYPE_CHECKING:
    from dashboard.access.accounts import Account
    from dashboard.access.session_table import Session


def show_accounts(accounts: Sequence[Account], last: Mapping[str, int], *, as_json: bool) -> None:
    """Print accounts; `last` is when each signed in last, in wall ms."""
    if as_json:
        write_json(
            [
                {
                    "name": one.name,
                    "role": one.role,
                    "disabled": one.disabled,
                    "second_factor": bool(one.totp),
                    "recovery_codes": len(one.recovery),
                    "changed_at": one.changed_at,
                    "last_sign_in": last.get(one.name),
                }
                for one in accounts
            ]
        )
        return
    cells = (
        (
            one.name,
            one.role,
            "disabled" if one.disabled else "enabled",
            "on" if one.totp else "off",
            _utc(last[one.name]) if one.name in last else "never",
        )
        for one in accounts
    )
    names = ("name", "role", "state", "second factor", "last sign-in")
    columns: dict[str, dict[str, Any]] = {name: {} for name in names}
    Console().print(terminal.table("Accounts", columns, cells, note="Add one: pumpwatch user add NAME --role ROLE"))


def show_sessions(name: str, sessions: Sequence[Session], *, as_json: bool) -> None:
    """Print the sessions of an account."""
    if as_json:
        fields = ("handle", "started", "seen", "address", "agent")
        write_json([{field: getattr(one, field) for field in fields} for one in sessions])
        return
    cells = ((one.handle, _utc(one.started), _utc(one.seen), one.address, one.agent) for one in sessions)
    columns: dict[str, dict[str, Any]] = {title: {} for title in ("id", "since", "last used", "from", "browser")}
    Console().print(terminal.table(f"Sessions of {name}", columns, cells))


def _utc(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
