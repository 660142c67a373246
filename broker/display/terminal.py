"""The one way to put rows on a terminal: a rich table whose cells are text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from broker.display.printable import printable

FOLD: Final[Mapping[str, Any]] = {"overflow": "fold"}
"""Options of a column whose long words break rather than end in an ellipsis."""
KEPT: Final[Mapping[str, Any]] = {"no_wrap": True}
"""Options of a column that never breaks."""
NUMBER: Final[Mapping[str, Any]] = {"no_wrap": True, "justify": "right"}
"""Options of a column of numbers."""


def text(value: object) -> Text:
    """Return a value as text without markup or control characters; line breaks stay. None is empty."""
    return Text("" if value is None else printable(str(value), keep="\n"))


def table(
    title: str,
    columns: Mapping[str, Mapping[str, Any]],
    rows: Iterable[Iterable[object]] = (),
    *,
    note: str | None = None,
    **options: Any,
) -> Table:
    """Return a table: options of rich by column, rows of values, a `note` below it, and options of the whole table.

    A cell is shown as it is, whatever it contains; a `Text` keeps its style.
    """
    made = Table(title=text(title), title_justify="left", caption_justify="left", **options)
    if note is not None:
        made.caption = text(note)
    for name, settings in columns.items():
        made.add_column(text(name), **settings)
    for row in rows:
        add(made, row)
    return made


def add(made: Table, row: Iterable[object], style: str | None = None) -> None:
    """Add a row of values to a table."""
    made.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row), style=style)
