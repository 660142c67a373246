"""Live view of a load test in a terminal: the stage, rates, percentiles by hop and what each part uses."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec
from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from broker.display.terminal import KEPT, NUMBER, table
from pumpwatch.commands.errors import CommandError
from trials.load.live import Live

WIDTH: Final = 30
LATENCY_BAR_S: Final = 2.0
"""Latency at which its bar is full."""
SAID: Final = 4
"""Latest lines of the parts that are shown."""


class LiveView:
    """Shows the state of a run on a terminal; on anything else, one line for what happens.

    With `file`, the state also goes there each second, as JSON: `said`, the latest lines, and `state`, the fields of
    `trials.load.live.Live` (null before the first).
    """

    def __init__(self, console: Console, file: Path | None = None) -> None:
        self.console = console
        self.file = file
        self._live = RichLive(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._said: list[str] = []
        self._latest: Live | None = None

    def __enter__(self) -> LiveView:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Show a line of a part, or of the run."""
        self._said = [*self._said[1 - SAID :], text]
        self._write()
        if self._live is None:
            self.console.print(text, highlight=False, markup=False)
            return
        self._draw()

    def show(self, state: Live) -> None:
        """Show the state."""
        self._latest = state
        self._write()
        self._draw()

    def _write(self) -> None:
        if self.file is None:
            return
        content = msgspec.json.encode({"said": self._said, "state": self._latest})
        fresh = self.file.with_name(f"{self.file.name}.new")
        try:
            fresh.write_bytes(content)
            fresh.replace(self.file)
        except OSError as error:
            raise CommandError(f"cannot write {self.file}: {error.strerror}") from error

    def _draw(self) -> None:
        if self._live is None:
            return
        said = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._said]
        self._live.update(Group(*([self._table(self._latest)] if self._latest else []), *said))

    def _table(self, state: Live) -> Table:
        rows = [
            ("offered", f"{state.offered_per_s:,.0f} samples/s", _bar(state.second, state.seconds)),
            ("made", f"{state.made_per_s:,.0f} samples/s", ""),
            ("sessions", f"{state.connected:,} of {state.sessions:,}", _bar(state.connected, state.sessions)),
            *(
                (f"{hop}, p99", "not yet" if value is None else f"{value:.3f} s", _bar(value or 0.0, LATENCY_BAR_S))
                for hop, value in state.latency.items()
            ),
            *((part, f"{100 * cores:.0f} % of a core", _bar(cores, 1.0)) for part, cores in state.cores.items()),
        ]
        title = f"{state.stage}, {state.second:.0f} of about {state.seconds:.0f} s"
        return table(title, {"": KEPT, " ": NUMBER, "  ": KEPT}, rows, show_header=False)


def _bar(value: float, whole: float) -> str:
    """Return a bar of `WIDTH` characters, filled up to the share of the whole."""
    share = min(1.0, value / whole) if whole > 0 else 0.0
    return "█" * round(share * WIDTH) + "░" * (WIDTH - round(share * WIDTH))
