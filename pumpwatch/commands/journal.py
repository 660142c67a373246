"""`pumpwatch journal`: what happened and who did it, from where; and the check that nobody altered it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from broker.display import terminal
from broker.display.instants import timestamp
from broker.display.names import entry_kind, kind_named
from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.records import Since, Until, moment
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    import polars as pl

MAX_ENTRIES: Final = 1_000_000
MAX_NAMED: Final = 3


def journal(
    *,
    pump: Annotated[str | None, typer.Option("--pump", metavar="SERIAL", help="Only entries of this pump.")] = None,
    who: Annotated[str | None, typer.Option("--who", metavar="NAME", help="Only entries by this person.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only entries of this kind, such as denied; repeat it for more."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option("--origin", metavar="ADDRESS", help="Only entries of actions from this address or program."),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="Only entries that contain this text.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MAX_ENTRIES, help="Maximum number of entries, newest first.")
    ] = 100,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check that no entry was altered or removed; exit code 1 if one was."),
    ] = False,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what happened and who did what, newest first, in wall-clock time (UTC)."""
    from broker.store.journal_query import Query, entries

    where = data or user_data()
    if verify:
        _verify(where, as_json=as_json)
        return
    query = Query(
        pump=pump,
        who=who,
        kinds=tuple(map(kind_named, kind or ())),
        origin=origin,
        text=text,
        since=moment("--from", since),
        until=moment("--to", until),
        limit=limit,
    )
    found = entries(where, query)
    if as_json:
        write_json(found.to_dicts())
    else:
        _show(found)


def _verify(data: Path, *, as_json: bool) -> None:
    from pumpwatch.commands.doctor_journal import ADVICE, check, intact

    try:
        count, problem = check(data)
    except (OSError, sqlite3.Error) as error:
        count, problem = 0, f"the journal cannot be verified: {error}"
    if as_json:
        write_json({"entries": count, "intact": problem is None, "problem": problem})
        if problem is not None:
            raise typer.Exit(1)
    elif problem is not None:
        raise CommandError(f"{problem}; {ADVICE}")
    else:
        typer.echo(intact(data, count))


def _show(found: pl.DataFrame) -> None:
    names = ("what", "pump", "about", "who", "from")
    columns = {"at (UTC)": terminal.KEPT, **dict.fromkeys(names, terminal.FOLD)}
    title = f"{found.height:,} {'entry' if found.height == 1 else 'entries'}, newest first"
    Console(highlight=False).print(terminal.table(title, columns, map(_entry, found.iter_rows(named=True))))


def _entry(row: dict[str, Any]) -> tuple[str | None, ...]:
    pumps = [row["pump"]] if row["pump"] else row["pumps"] or []
    more = f" and {len(pumps) - MAX_NAMED:,} more" if len(pumps) > MAX_NAMED else ""
    about = ": ".join(filter(None, (row["title"], row["text"])))
    return (
        timestamp(row["at"]),
        entry_kind(row["kind"]),
        ", ".join(pumps[:MAX_NAMED]) + more,
        about,
        row["who"],
        row["origin"],
    )
