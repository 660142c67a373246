"""Open alarms as a table on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from broker.display import terminal
from broker.display.names import ALARM_STATES, PRIORITIES

if TYPE_CHECKING:
    import polars as pl

SHOWN: Final = ("priority", "subject", "title", "state", "since")
MAX_WIDTH: Final = 500
"""Of the table of alarms in a file or pipe."""
WHERE_IDS_ARE: Final = "Alarm ids, for --alarms: use a wider terminal, or --json."


def show(found: pl.DataFrame, console: Console) -> None:
    """Print open alarms in the width there is; their long ids only if they fit, or if the output is no terminal."""
    full = _table(found, (*SHOWN, "alarm"))
    width = console.measure(full, options=console.options.update(width=MAX_WIDTH)).maximum
    if console.is_terminal and width > console.width:
        console.print(_table(found, SHOWN, WHERE_IDS_ARE))
    else:
        Console(width=max(width, console.width)).print(full)


def _table(found: pl.DataFrame, names: tuple[str, ...], note: str | None = None) -> Table:
    from dashboard.formatting import span

    known = (
        {
            **row,
            "priority": PRIORITIES[row["priority"]],
            "state": ALARM_STATES[row["state"]],
            "since": span(row["age_s"]),
        }
        for row in found.iter_rows(named=True)
    )
    columns = {name: terminal.FOLD if name in ("subject", "title") else terminal.KEPT for name in names}
    title = f"{found.height:,} open {'alarm' if found.height == 1 else 'alarms'}"
    return terminal.table(title, columns, ([row[name] for name in names] for row in known), note=note)
