"""Log format: one line per record on stderr, for people or as JSON; control characters are escaped."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from rich.console import Console
from rich.text import Text

from broker.display.printable import printable
from pumpwatch.supervision.log_lines import line_of

Kind = Literal["auto", "text", "json"]
"""How to log; `auto` is text on a terminal, else JSON."""

COLORS = {
    "broker": "magenta",
    "processor": "cyan",
    "dashboard": "blue",
    "simulator": "green",
    "notifier": "yellow",
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
        """Write one record on one line; the lines of a traceback follow, indented, so that none looks like a record."""
        part = getattr(record, "part", self.part)
        text = printable(record.getMessage().rstrip())
        if record.levelno >= logging.WARNING and part == self.part:
            text = f"{record.levelname.lower()}: {text}"
        self._write(record, part, text)
        if record.exc_info and self.formatter is not None:
            for line in self.formatter.formatException(record.exc_info).split("\n"):
                self._write(record, part, f"    {printable(line)}")

    def _write(self, record: logging.LogRecord, part: str, line: str) -> None:
        if self.bare or self.formatter is None:
            self.console.out(line, highlight=False)
            return
        prefix = Text(f"{self.formatter.formatTime(record, '%H:%M:%S')} ", style="dim")
        prefix.append(f"{part:<10} ", style=COLORS.get(part, ""))
        prefix.append(line, style=LEVEL_STYLES.get(record.levelno, ""))
        self.console.print(prefix, soft_wrap=True, highlight=False)


class JsonLines(logging.Handler):
    """Writes each record as one line of JSON; below a supervisor and above it alike."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sys.stderr.write(line_of(record, self.part) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


def as_json(kind: Kind) -> bool:
    """Return whether a log of this kind is JSON here."""
    return kind == "json" or (kind == "auto" and not sys.stderr.isatty())


def begin(part: str, *, supervised: bool = False, kind: Kind = "text") -> None:
    """Route all logging of this process to stderr in the format of `Lines`, or as JSON."""
    handler = JsonLines(part) if as_json(kind) else Lines(Console(stderr=True), part, bare=supervised)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
