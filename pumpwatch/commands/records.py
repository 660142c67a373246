"""`pumpwatch export`: read the sample history."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from pumpwatch.commands import audit_entries, options
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    from broker.store.segments import Block

Format = Literal["csv", "parquet"]
MAX_NUMBERS: Final = 2_000_000
MAX_QUOTED: Final = 200
"""Characters of the list of pumps in the journal."""

Since = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Start, such as 2026-01-31T07:00:00Z.", show_default=False),
]
Until = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="End, such as 2026-01-31T08:00:00Z.", show_default=False),
]


def export(
    *,
    pumps: Annotated[
        str, typer.Option("--pumps", metavar="LIST", help="Numbers, ranges and serials: 3,7-9,MY-1; or all.")
    ] = "all",
    since: Since = None,
    until: Until = None,
    format_: Annotated[Format, typer.Option("--format", help="csv, or parquet (requires --out).")] = "csv",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=options.path,
            help="Output file. Default: standard output.",
            show_default=False,
        ),
    ] = None,
    times: Annotated[
        Literal["iso", "ms"],
        typer.Option("--times", help="Times in CSV. iso: ISO 8601 in UTC; ms: milliseconds since 1970."),
    ] = "iso",
    data: options.Data = None,
) -> None:
    """Export samples of the history, sorted by day, pump and time; times are therapy time.

    In CSV, a serial that a spreadsheet would run as a formula gets a single quote in front of it.
    """
    from broker.store.segments import blocks

    if format_ == "parquet" and out is None:
        raise typer.BadParameter("Parquet cannot be streamed; give --out FILE", param_hint="--format")
    if out is not None and out.is_dir():
        raise typer.BadParameter(f"{out} is a directory; give a file in it", param_hint="--out")
    where, first, last = data or user_data(), moment("--from", since) or 0, moment("--to", until)

    def known(serial: str) -> bool:
        return next(blocks(where, {serial}, first, last, rows=1), None) is not None

    try:
        period = " ".join(filter(None, (since and f"from {since}", until and f"to {until}")))
        text = f"samples of pumps {pumps[:MAX_QUOTED]} {period} as {format_}, {out or 'standard output'}"
        exported = _recorded(blocks(where, serials_of(pumps, known), first, last), where, text)
        count = _write(exported, format_, out, iso=times == "iso")
    except BrokenPipeError:
        raise CommandError("the reader of the output closed it before the export was complete") from None
    except OSError as error:
        raise CommandError(f"cannot export: {error}") from error
    typer.echo(f"{count:,} samples" + ("" if out is None else f" written to {out}"), err=True)
    if not count:
        raise CommandError("the history has no matching samples; check --pumps, --from and --to")


def serials_of(selection: str, known: Callable[[str], bool] = lambda _: False) -> set[str] | None:
    """Return the serials that a list of numbers, ranges and serials selects; None means all.

    A serial that is `known` comes first: a pump may be called 1042 or 7-9.
    """
    from simulator.fleet.enrollment import serial

    if selection.strip() == "all":
        return None
    serials: set[str] = set()
    for word in filter(None, (word.strip() for word in selection.split(","))):
        if not word.isprintable():
            raise typer.BadParameter(f"{word[:80]!a} is not a serial", param_hint="--pumps")
        match = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", word)
        if match is None or known(word):
            serials.add(word)
            continue
        numbers = range(int(match[1]), int(match[2] or match[1]) + 1)
        if not 0 < len(numbers) <= MAX_NUMBERS:
            raise typer.BadParameter(
                f"{word} selects {len(numbers):,} pumps; a range such as 7-9 may have 1 to {MAX_NUMBERS:,}",
                param_hint="--pumps",
            )
        serials.update(map(serial, numbers))
    if not serials:
        raise typer.BadParameter("selects no pump; write 3,7-9, a serial, or all", param_hint="--pumps")
    return serials


def _recorded(exported: Iterator[Block], data: Path, text: str) -> Iterator[Block]:
    """Yield blocks; before the first of them, record in the journal who exports what."""
    for number, block in enumerate(exported):
        if number == 0:
            audit_entries.record(data, "exported", " ".join(text.split()))
        yield block


def _write(exported: Iterator[Block], format_: Format, out: Path | None, *, iso: bool) -> int:
    from broker.store import durable_write
    from broker.store.export import watched, write_csv, write_parquet

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("exporting", total=1.0)
        tracked = watched(exported, lambda done: progress.update(task, completed=done))
        if out is None:
            return write_csv(tracked, sys.stdout.buffer, iso=iso)
        if format_ == "parquet":
            return write_parquet(tracked, out)
        count = 0

        def write(fresh: Path) -> None:
            nonlocal count
            with fresh.open("wb") as file:
                count = write_csv(tracked, file, iso=iso)

        durable_write.replace(out, write)
        return count


def moment(option: str, text: str | None) -> int | None:
    """Return an ISO 8601 time in ms since 1970, UTC if it names no zone; raises a usage error."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time; write 2026-01-31T07:00:00Z or 2026-01-31", param_hint=option
        ) from None
    try:
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is outside the years 1 to 9999", param_hint=option) from None
