"""Code blocks of README and docs, and the commands in those for the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from markdown_it import MarkdownIt

from pumpwatch.__main__ import app

GROUP: Any = typer.main.get_command(app)
ROOT = Path(__file__).resolve().parents[3]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, line, language and text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a shell block, in words, without what is only for the shell."""

    block: Block
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """Program, and of ours the subcommand, as the table of treatments names it."""
        if self.words[0] != "pumpwatch":
            return " ".join(self.words[:3]) if self.words[:2] == ("python", "-m") else self.words[0]
        return " ".join(("pumpwatch", *leaf(list(self.words[1:]))[1]))

    def __str__(self) -> str:
        return f"{self.block}: {' '.join(self.words)}"


def blocks() -> Iterator[Block]:
    """Yield every fenced block of every page."""
    for page in PAGES:
        for token in MarkdownIt().parse((ROOT / page).read_text("utf-8")):
            if token.type == "fence":
                yield Block(page, (token.map or [0])[0] + 1, token.info.strip(), token.content)


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a shell block, in order. Our program has one name, however it is called."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = next((at for at, word in enumerate(words) if word in {"&&", "|", ";"}), len(words))
            if part := _ours(words[:end]):
                kept = part.index(">") if ">" in part else len(part)
                yield Command(block, tuple(part[:kept]))
            words = words[end + 1 :]


def leaf(words: list[str]) -> tuple[Any, list[str], list[str]]:
    """Return the command of ours that words name, its names from the top, and the words that are left for it."""
    command: Any = GROUP
    names: list[str] = []
    while words and words[0] in getattr(command, "commands", {}):
        command, names, words = command.commands[words[0]], [*names, words[0]], words[1:]
    return command, names, words


def _ours(words: list[str]) -> list[str]:
    if words and (words[0] == "pw" or re.fullmatch(r"\S*/bin/pumpwatch", words[0])):
        return ["pumpwatch", *words[1:]]
    return words
