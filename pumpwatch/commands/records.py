"""This file has the commands that read what was kept: the journal and the history."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    import polars as pl

    from broker.store.segments import Block

Format = Literal["csv", "parquet"]
MAX_ENTRIES: Final = 1_000_000
MAX_NAMED: Final = 3

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
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_ENTRIES, help="At most the newest so many.")] = 100,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Read what happened and who did what, newest first; times are those of the clock on the wall."""
    from broker.store.journal_query import Query, entries

    query = Query(pump, who, moment("--from", since), moment("--to", until), limit=limit)
    found = entries(data or user_data(), query)
    if as_json:
        write_json(found.to_dicts())
    else:
        _show(found)


def export(
    *,
    pumps: Annotated[
        str, typer.Option("--pumps", metavar="LIST", help="Numbers, ranges and serials: 3,7-9,MY-1. Or all.")
    ] = "all",
    since: Since = None,
    until: Until = None,
    format_: Annotated[Format, typer.Option("--format", help="CSV, or Parquet, which needs --out.")] = "csv",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write. Default: standard output.", show_default=False),
    ] = None,
    data: options.Data = None,
) -> None:
    """Write samples of the history for other programs, by day, pump and time; times are therapy time."""
    from broker.store.segments import blocks

    if format_ == "parquet" and out is None:
        raise typer.BadParameter("Parquet cannot be written as a stream; give --out FILE", param_hint="--format")
    wanted = serials_of(pumps)
    found = blocks(data or user_data(), wanted, moment("--from", since) or 0, moment("--to", until))
    try:
        count = _write(found, format_, out)
    except BrokenPipeError:
        raise CommandError("whoever read the output went away before it was all written") from None
    except OSError as error:
        raise CommandError(f"cannot export: {error}") from error
    typer.echo(f"{count:,} samples" + ("" if out is None else f" in {out}"), err=True)
    if not count:
        raise CommandError("the history has no such samples; `pumpwatch journal` and the dashboard say what there is")


def serials_of(wanted: str) -> set[str] | None:
    """Return the serials that a list of numbers, ranges and serials names; None is all."""
    from simulator.fleet.enrollment import serial

    if wanted.strip() == "all":
        return None
    named: set[str] = set()
    for word in filter(None, (word.strip() for word in wanted.split(","))):
        match = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", word)
        if match is None:
            named.add(word)
        else:
            named.update(serial(number) for number in range(int(match[1]), int(match[2] or match[1]) + 1))
    if not named:
        raise typer.BadParameter("names no pump; write 3,7-9, or a serial, or all", param_hint="--pumps")
    return named


def _write(found: Iterator[Block], format_: Format, out: Path | None) -> int:
    from broker.store import durable_write
    from broker.store.export import watched, write_csv, write_parquet

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("exporting", total=1.0)
        told = watched(found, lambda done: progress.update(task, completed=done))
        if out is None:
            return write_csv(told, sys.stdout.buffer)
        if format_ == "parquet":
            return write_parquet(told, out)
        count = 0

        def write(fresh: Path) -> None:
            nonlocal count
            with fresh.open("wb") as file:
                count = write_csv(told, file)

        durable_write.replace(out, write)
        return count


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
        more = f" and {len(pumps) - MAX_NAMED:,} more" if len(pumps) > MAX_NAMED else ""
        table.add_row(
            f"{datetime.fromtimestamp(row['at'] / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}",
            row["kind"],
            ", ".join(pumps[:MAX_NAMED]) + more,
            ": ".join(filter(None, (row["title"], row["text"]))).replace("[", "\\["),
            row["who"] or "",
        )
    Console(highlight=False).print(table)
