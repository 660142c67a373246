"""The layout of the project, read from its imports and calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "broker": set(),
    "simulator": {"broker"},
    "processor": {"broker"},
    "dashboard": {"broker"},
    "trials": {"broker", "simulator", "processor"},
    "pumpwatch": {"broker", "simulator", "processor", "dashboard", "trials"},
}
"""Which of our packages each package may import beside itself."""

ONLY_IN = {
    "paho": ("broker/mqtt/link.py",),
    "aiomqtt": ("broker/mqtt/link.py",),
    "gmqtt": ("broker/mqtt/link.py",),
    "amqtt": ("broker/mqtt/local_broker.py",),
    "dash": ("dashboard/*",),
    "dash_ag_grid": ("dashboard/*",),
    "dash_mantine_components": ("dashboard/*",),
    "plotly": ("dashboard/*", "pumpwatch/documentation/score_page.py"),
    "typer": ("pumpwatch/*",),
}
"""Where a library may be imported."""

CLOCKS = (
    "simulator/gateway/service.py",
    "processor/service/loop.py",
    "dashboard/app.py",
    "dashboard/access/middleware.py",
    "pumpwatch/commands/alarms.py",
    "pumpwatch/supervision/part_notices.py",
)
EDGES = {
    "time.time": CLOCKS,
    "time.time_ns": CLOCKS,
    "datetime.now": CLOCKS,
    "datetime.datetime.now": CLOCKS,
    "os.environ": ("pumpwatch/settings.py", "pumpwatch/supervision/process.py"),
    "os.getenv": (),
}
"""Where the clock and the environment may be read; everything else is told."""


@dataclass(frozen=True)
class Breach:
    """Something that is where it may not be."""

    path: str
    line: int
    what: str


def breaches(path: str, source: str) -> Iterator[Breach]:
    """Yield what a file of that path below the root does against the layout."""
    package = path.partition("/")[0]
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            top = name.partition(".")[0]
            if top in MAY_IMPORT and top != package and top not in MAY_IMPORT[package]:
                yield Breach(path, node.lineno, f"{package} imports {top}")
            if top in ONLY_IN and not allowed(path, ONLY_IN[top]):
                yield Breach(path, node.lineno, f"imports {top}")
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in EDGES and not allowed(path, EDGES[name]):
            yield Breach(path, node.lineno, f"uses {name}")
        if isinstance(node, ast.ImportFrom) and node.level:
            yield Breach(path, node.lineno, "imports relatively")


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def allowed(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def sources() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def test_every_file_keeps_to_the_layout() -> None:
    found = [
        breach for path in sources() for breach in breaches(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]
    assert not found, "\n".join(f"{breach.path}:{breach.line}: {breach.what}" for breach in found)


def test_the_layout_is_that_of_real_packages() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in sources()} >= {"broker", "simulator", "processor", "dashboard"}


@pytest.mark.parametrize(
    ("path", "source", "what"),
    [
        ("simulator/gateway/service.py", "import processor.engine.engine", "simulator imports processor"),
        ("processor/engine/engine.py", "from dashboard import theme", "processor imports dashboard"),
        ("dashboard/app.py", "def f():\n    from simulator.faults import FAULTS", "dashboard imports simulator"),
        ("broker/contract/codec.py", "from pumpwatch import settings", "broker imports pumpwatch"),
        ("simulator/gateway/service.py", "import paho.mqtt.client", "imports paho"),
        ("pumpwatch/commands/faults.py", "import aiomqtt", "imports aiomqtt"),
        ("processor/engine/engine.py", "import dash", "imports dash"),
        ("processor/alarms/lifecycle.py", "import time\nnow = time.time()", "uses time.time"),
        (
            "processor/alarms/lifecycle.py",
            "from datetime import datetime\nnow = datetime.now(None)",
            "uses datetime.now",
        ),
        ("broker/mqtt/link.py", "import os\nhome = os.environ['HOME']", "uses os.environ"),
        ("broker/mqtt/link.py", "from . import codec", "imports relatively"),
    ],
)
def test_a_planted_breach_is_found(path: str, source: str, what: str) -> None:
    assert what in [breach.what for breach in breaches(path, source)]
