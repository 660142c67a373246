"""Silences on a terminal, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import typer
from rich.console import Console

from broker.display import terminal
from broker.display.instants import timestamp
from broker.display.printable import printable
from pumpwatch.commands.tables import write_json

if TYPE_CHECKING:
    import polars as pl

    from broker.contract.silences import Silence

MAX_LISTED: Final = 10
COLUMNS: Final = dict.fromkeys(("id", "state"), terminal.KEPT) | dict.fromkeys(
    ("silences", "when", "by", "reason"), terminal.FOLD
)


def sentence(silence: Silence) -> str:
    """Return what a silence silences, how long and why."""
    return f"{silence.id}: {silence.text()}, {silence.when()} until {timestamp(silence.ends)} UTC"


def show(found: Sequence[Silence], now: int, console: Console, *, as_json: bool) -> None:
    """Print silences with their state at `now` (wall ms): active ones first, then coming ones, then the newest."""
    order = {"active": 0, "coming": 1, "expired": 2}
    ordered = sorted(found, key=lambda one: (order[one.status(now)], -one.created))
    if as_json:
        write_json([as_row(one, now) for one in ordered])
        return
    rows = (
        (
            one.id,
            one.status(now),
            one.matcher.text(),
            f"{one.when()} until {timestamp(one.ended or one.ends)}",
            one.who + (f", ended by {one.ended_by}" if one.ended_by else ""),
            one.reason,
        )
        for one in ordered
    )
    console.print(terminal.table("Silences", COLUMNS, rows, note="Times are UTC. End one: pumpwatch silence end ID"))


def show_added(silence: Silence, matching: pl.DataFrame | None, now: int, *, as_json: bool, dry_run: bool) -> None:
    """Print a silence that was added, or would be, and which open alarms it covers now (None: not known)."""
    alarms = [] if matching is None else matching["alarm"].to_list()
    if as_json:
        write_json({**as_row(silence, now), "matches_now": alarms, "added": not dry_run})
        return
    high = 0 if matching is None else int((matching["priority"] == "high").sum())
    would = "would silence" if dry_run else "silences"
    many = f"{len(alarms):,} open alarm{'s' * (len(alarms) != 1)}, {high:,} of them high"
    typer.echo(printable(sentence(silence)))
    typer.echo("No system has run here, so no alarm is known." if matching is None else f"It {would} {many}.")
    for alarm in alarms[:MAX_LISTED]:
        typer.echo(f"  {printable(alarm)}")
    if len(alarms) > MAX_LISTED:
        typer.echo(f"  and {len(alarms) - MAX_LISTED:,} more")


def as_row(silence: Silence, now: int) -> dict[str, Any]:
    """Return a silence for JSON, with its state and when it is active next or until."""
    return {
        **msgspec.to_builtins(silence),
        "state": silence.status(now),
        "active_until": silence.active_until(now),
        "begins": silence.begins_at(now),
    }
