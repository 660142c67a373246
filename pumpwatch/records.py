"""This file has the commands that read what was kept: the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from pumpwatch import options
from pumpwatch.settings import user_data
from pumpwatch.tables import write_json

if TYPE_CHECKING:
    import polars as pl

MOST_ENTRIES: Final = 1_000_000
MOST_NAMED: Final = 3

Since = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="From this time on, as 2026-01-31T07:00:00Z.", show_default=False),
]
Until = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="Until this time, as 2026-01-31T08:00:00Z.", show_default=False),
]


def journal(
    *,
    pump: Annotated[str | None, typer.Option("--pump", metavar="SERIAL", help="Of this pump alone.")] = None,
    who: Annotated[str | None, typer.Option("--who", metavar="NAME", help="By this person alone.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MOST_ENTRIES, help="At most the newest so many.")] = 100,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Read what happened and who did what, newest first; times are those of the clock on the wall."""
    from broker.journal import Query, entries

    query = Query(pump, who, moment("--from", since), moment("--to", until), limit=limit)
    found = entries(data or user_data(), query)
    if as_json:
        write_json(found.to_dicts())
    else:
        _show(found)


def moment(option: str, text: str | None) -> int | None:
    """Return an ISO 8601 time in ms since 1970, UTC where it names no zone, or end with a usage error."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write 2026-01-31T07:00:00Z, or 2026-01-31", param_hint=option
        ) from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _show(found: pl.DataFrame) -> None:
    table = Table(title=f"{found.height:,} entries, newest first", title_justify="left")
    for name in ("at", "what", "pump", "about", "who"):
        table.add_column(name, overflow="fold", no_wrap=name == "at")
    for row in found.iter_rows(named=True):
        pumps = [row["pump"]] if row["pump"] else row["pumps"] or []
        more = f" and {len(pumps) - MOST_NAMED:,} more" if len(pumps) > MOST_NAMED else ""
        table.add_row(
            f"{datetime.fromtimestamp(row['at'] / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}",
            row["kind"],
            ", ".join(pumps[:MOST_NAMED]) + more,
            ": ".join(filter(None, (row["title"], row["text"]))).replace("[", "\\["),
            row["who"] or "",
        )
    Console(highlight=False).print(table)
