"""Markdown of the reference: pages, tables, code spans, durations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from humanize import precisedelta

MARK: Final = "<!-- Written by `make docs` from the program's own tables; change those instead. -->"


def page(title: str, *parts: str) -> str:
    """Return a page: its title, the mark of a generated file, and the parts, separated by empty lines."""
    return "\n\n".join((f"# {title}", MARK, *(part.strip() for part in parts))) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; each cell becomes one line, and a pipe in it a slash."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def code(text: str) -> str:
    """Return the text as a code span; an empty text stays empty."""
    return f"`{text}`" if text else ""


def duration(seconds: float) -> str:
    """Return a duration in words, such as `1 hour and 30 minutes`."""
    return precisedelta(seconds, format="%g")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
