"""Language check of prose and page texts: `python -m pumpwatch.documentation.language`, part of `make check`.

Finds what a machine can find: module docstrings that open with "This file", constants named after superlatives, and
terms that the field does not use. The table names the term to use instead.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("broker", "simulator", "processor", "dashboard", "notifier", "trials", "cluster", "pumpwatch")
PROSE: Final = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**/*.md")
PAGE_TEXTS: Final = ("dashboard/pages/*.py", "dashboard/components/*.py", "dashboard/formatting.py")

RETIRED: Final = {
    r"seen by": "acknowledged by",
    r"calls? again|called again": "re-alarms",
    r"call(?:s|ed) (?:people|nobody)": "annunciates",
    r"went away unseen": "returned, unacknowledged",
    r"held (?:under|back)": "suppressed by",
    r"well again": "returned to normal",
    r"happenings|what happened lately": "event log",
    r"lost for good": "permanently lost",
    r"clock on the wall|on the wall clock": "wall-clock time",
    r"sieges?|besieged?": "failure injection",
    r"blows": "failures injected",
    r"harmed": "mutated",
    r"deeds?": "alarm action, operator action",
    r"clerks?": "journal recorder",
    r"tanks?": "reservoir capacity",
    r"in good times": "normally",
    r"needs? anybody|needs? somebody": "open alarms",
    r"really wrong": "ground truth",
    r"in pieces": "fragmented",
    r"(?:half|95) (?:in 100 |found )within|of what had its time": "median or p95 time to detect",
    r"key holder": "shared key",
    r"explains as well": "also suppresses",
    r"renew themselves": "update live",
    r"how full everything is": "buffers and limits",
    r"sent to seen": "end-to-end latency",
    r"asks? for replacement": "replacement due (ERI)",
    r"(?:ill|well) pumps?|pumps? (?:that|which) (?:is|are) (?:ill|well)": "faulty or healthy pump",
    r"wishes": "run config, command",
    r"(?:is|are|was|were|be) told": "is notified, or state what receives what",
}
"""What the field does not say, as a pattern, and what it says instead."""
_TERM: Final = re.compile("|".join(rf"(?P<t{n}>\b(?:{term})\b)" for n, term in enumerate(RETIRED)), re.IGNORECASE)
_SUPERLATIVE: Final = re.compile(r"^_?(?:MOST|LEAST|LONGEST|SHORTEST|HIGHEST|FARTHEST)_")


@dataclass(frozen=True)
class Finding:
    """One place to rewrite."""

    path: str
    line: int
    text: str


def retired_terms(path: str, line: int, text: str) -> Iterator[Finding]:
    """Yield each retired term in a text that begins at `line` of `path`."""
    for match in _TERM.finditer(text):
        better = list(RETIRED.values())[int((match.lastgroup or "t0")[1:])]
        yield Finding(path, line + text.count("\n", 0, match.start()), f'"{match.group()}": say "{better}"')


def in_module(path: str, source: str) -> Iterator[Finding]:
    """Yield what is wrong with a module's docstring and with the names of its constants."""
    tree = ast.parse(source)
    if (ast.get_docstring(tree) or "").startswith("This file"):
        yield Finding(path, 1, "the docstring says what the module is or does; it does not open with “This file”")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _SUPERLATIVE.match(node.id):
            yield Finding(path, node.lineno, f"{node.id}: limits are MAX_… and MIN_…")


def in_page_texts(path: str, source: str) -> Iterator[Finding]:
    """Yield retired terms in the strings of a module that users read, which is all but docstrings."""
    tree = ast.parse(source)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield from retired_terms(path, node.lineno, node.value)


def findings(root: Path) -> Iterator[Finding]:
    """Yield everything to rewrite below a root."""
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            yield from in_module(file.relative_to(root).as_posix(), file.read_text("utf-8"))
    for pattern in PROSE:
        for file in sorted(root.glob(pattern)):
            yield from retired_terms(file.relative_to(root).as_posix(), 1, file.read_text("utf-8"))
    for pattern in PAGE_TEXTS:
        for file in sorted(root.glob(pattern)):
            yield from in_page_texts(file.relative_to(root).as_posix(), file.read_text("utf-8"))


def main() -> int:
    """Print every finding; return 1 if there is one."""
    found = list(findings(ROOT))
    for finding in found:
        sys.stdout.write(f"{finding.path}:{finding.line}: {finding.text}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
