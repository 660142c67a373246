"""Log format: one line per record on stderr, prefixed with time and part."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.text import Text

COLORS = {
    "broker": "magenta",
    "processor": "cyan",
    "dashboard": "blue",
    "simulator": "green",
    "pumpwatch": "bold",
}
LEVEL_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red"}


class Lines(logging.Handler):
    """Writes `12:00:01 processor  text`; only the text below a supervisor, which adds the prefix itself.

    A record's part is its extra attribute `part`, else the part of the process.
    """

    def __init__(self, console: Console, part: str, *, bare: bool) -> None:
        super().__init__()
        self.console, self.part, self.bare = console, part, bare
        self.setFormatter(logging.Formatter(datefmt="%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, each of its lines with the same prefix."""
        part = getattr(record, "part", self.part)
        text = record.getMessage()
        if record.exc_info and self.formatter is not None:
            text = f"{text}\n{self.formatter.formatException(record.exc_info)}"
        if record.levelno >= logging.WARNING and part == self.part:
            text = f"{record.levelname.lower()}: {text}"
        for line in text.splitlines() or [""]:
            self._write(record, part, line)

    def _write(self, record: logging.LogRecord, part: str, line: str) -> None:
        if self.bare or self.formatter is None:
            self.console.out(line, highlight=False)
            return
        prefix = Text(f"{self.formatter.formatTime(record, '%H:%M:%S')} ", style="dim")
        prefix.append(f"{part:<10} ", style=COLORS.get(part, ""))
        prefix.append(line, style=LEVEL_STYLES.get(record.levelno, ""))
        self.console.print(prefix, soft_wrap=True, highlight=False)


def begin(part: str, *, supervised: bool = False) -> None:
    """Route all logging of this process to stderr in the format of `Lines`."""
    handler = Lines(Console(stderr=True), part, bare=supervised)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
