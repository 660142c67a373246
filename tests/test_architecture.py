"""The architecture, as a table, and the test that holds every file to it.

Packages form a star: `simulator`, `processor`, `dashboard` and `notifier` know `broker` and never each other. Inside a
package, rooms form layers: a room imports those named beside it and no other. Everything else in this file is the
reader of the two tables.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]

PACKAGES: Final[dict[str, set[str]]] = {
    "broker": set(),
    "simulator": {"broker"},
    "processor": {"broker"},
    "dashboard": {"broker"},
    "notifier": {"broker"},
    "trials": {"broker", "simulator", "processor"},
    "cluster": {"broker", "processor"},
    "pumpwatch": {"broker", "simulator", "processor", "dashboard", "notifier", "trials", "cluster"},
}
"""Which of our packages each package may import besides itself."""

ROOMS: Final[dict[str, dict[str, set[str]]]] = {
    "broker": {
        "contract": set(),
        "mqtt": {"contract"},
        "access": {"contract", "mqtt", "store"},
        "display": set(),
        "metrics": set(),
        "store": {"contract"},
        "truth": {"contract"},
        "interop": {"contract", "store"},
    },
    "simulator": {
        "fleet": set(),
        "faults": {"fleet"},
        "playback": {"faults", "fleet"},
        "gateway": {"playback", "faults", "fleet"},
    },
    "processor": {
        "detectors": set(),
        "rules": {"detectors"},
        "engine": {"rules", "detectors"},
        "alarms": {"engine", "rules", "detectors"},
        "watch": {"alarms", "engine", "rules", "detectors"},
        "intake": {"engine"},
        "view": {"alarms", "engine", "rules", "detectors"},
        "batch_result": set(),
        "fleet": {"intake", "engine", "watch", "alarms", "view", "rules"},
        "pipeline": {"batch_result", "fleet", "intake", "engine", "alarms", "view"},
        "service": {"pipeline", "batch_result", "intake", "engine", "watch", "alarms", "view", "rules"},
    },
    "dashboard": {
        "settings": set(),
        "theme": {"languages"},
        "zones": set(),
        "languages": set(),
        "formatting": {"languages", "zones"},
        "clocks": {"formatting", "languages", "zones"},
        "access": {"languages", "settings", "theme"},
        "serving": {"access", "settings"},
        "data": {"access", "clocks", "formatting", "languages", "settings", "zones"},
        "components": {"data", "access", "clocks", "formatting", "languages", "theme", "zones"},
        "pages": {"components", "data", "access", "clocks", "formatting", "languages", "theme", "zones"},
        "api": {"data", "access", "clocks", "formatting", "settings", "zones"},
        "app": {"pages", "components", "api", "data", "serving", "access", "settings", "zones"},
    },
    "notifier": {
        "state": set(),
        "lifecycle": {"state"},
        "engine": {"lifecycle", "state"},
        "journal_events": {"lifecycle", "state"},
        "messages": {"state"},
        "queue_tables": set(),
        "queue": {"queue_tables", "state"},
        "desk": {"engine", "journal_events", "messages", "queue", "state"},
        "recorder": {"queue", "state"},
        "signing": set(),
        "senders": {"desk", "signing"},
        "watchdog": {"state"},
        "outside": {"senders"},
        "trial": {"desk", "messages"},
        "vitals": set(),
        "requests": {"queue", "senders", "trial"},
        "workers": {"desk", "senders"},
        "service": {"desk", "messages", "outside", "queue", "recorder", "requests", "watchdog", "workers"},
    },
    "trials": {},
    "cluster": {
        "layout": set(),
        "leases": set(),
        "consumers": {"log_limit", "nats_server", "preflight"},
        "jetstream": {"leases", "preflight"},
        "nats_server": set(),
        "nats_service": {"log_retention", "nats_server"},
        "nats_users": {"nats_server"},
        "membership": {"leases"},
        "worker": set(),
        "node": {"layout", "leases", "membership", "nats_server", "worker"},
        "node_reports": {"membership"},
        "watching": {"leases", "node", "node_reports"},
        "joining": {"layout", "leases", "preflight"},
        "log_limit": {"log_retention"},
        "log_retention": set(),
        "lost_leases": {"joining", "layout", "leases", "preflight"},
        "merging": {"layout", "node_reports"},
        "preflight": {"layout", "nats_server"},
    },
    "pumpwatch": {
        "settings": set(),
        "supervision": {"settings"},
        "reports": set(),
        "commands": {"reports", "supervision", "settings"},
        "__main__": {"commands", "supervision", "settings"},
        "documentation": {"__main__", "commands", "settings"},
    },
}
"""Which rooms (folders or single modules) of its package each room may import. A package without rooms is one room."""

ONLY_IN: Final[dict[str, tuple[str, ...]]] = {
    "paho": ("broker/mqtt/link.py", "broker/mqtt/block_reader.py", "broker/mqtt/conversation.py"),
    "aiomqtt": ("broker/mqtt/conversation.py",),
    "mqtt5": ("broker/mqtt/stream_link.py", "broker/mqtt/block_reader.py"),
    "wasmtime": ("processor/engine/compiled.py",),
    "uvloop": ("pumpwatch/supervision/process.py",),
    "gmqtt": (),
    "nats": ("cluster/jetstream.py",),
    "deltalake": ("broker/store/delta_log.py",),
    "obstore": ("broker/store/delta_log.py",),
    "amqtt": ("broker/mqtt/local_broker.py",),
    "opentelemetry": ("processor/service/spans.py",),
    "prometheus_client": ("broker/metrics/exposition.py",),
    "cryptography": (
        *("broker/access/authority.py", "broker/contract/signed.py", "broker/store/action_key.py"),
        "broker/store/backup_secrets.py",
    ),
    "authlib": ("dashboard/access/openid.py",),
    "httpx2": ("dashboard/access/openid.py", "processor/service/anchor_webhook.py", "notifier/senders.py"),
    "apprise": ("notifier/senders.py",),
    "joserfc": ("dashboard/access/openid.py",),
    "argon2": ("dashboard/access/passwords.py",),
    "itsdangerous": ("dashboard/access/cookies.py",),
    "babel": ("dashboard/languages.py", "pumpwatch/documentation/*"),
    "icalendar": ("dashboard/data/refill_files.py",),
    "markdown_it": ("dashboard/data/manual_markdown.py",),
    "limits": ("dashboard/access/login_throttle.py", "dashboard/access/feeds.py", "dashboard/api/application.py"),
    "pyotp": ("dashboard/access/second_factor.py",),
    "segno": ("dashboard/access/second_factor.py",),
    "starlette": ("dashboard/access/*", "dashboard/api/*", "dashboard/serving/*"),
    "uvicorn": ("dashboard/app.py", "dashboard/serving/*"),
    "h11": ("dashboard/serving/protocols.py", "broker/metrics/listener.py"),
    "dash": ("dashboard/*",),
    "dash_ag_grid": ("dashboard/*",),
    "dash_mantine_components": ("dashboard/*",),
    "plotly": ("dashboard/*", "pumpwatch/reports/*"),
    "typer": ("pumpwatch/*",),
}
"""Where a library may be imported."""

CLOCKS: Final = (
    "simulator/gateway/service.py",
    "processor/service/loop.py",
    "trials/load/generator.py",
    "notifier/service.py",
    "cluster/merging/service.py",
    "dashboard/app.py",
    "dashboard/access/login_throttle.py",
    "dashboard/access/middleware.py",
    "dashboard/api/application.py",
    "pumpwatch/commands/caller.py",
    "pumpwatch/commands/gateways.py",
    "pumpwatch/commands/keys.py",
    "pumpwatch/commands/load.py",
    "pumpwatch/supervision/part_notices.py",
    "pumpwatch/supervision/part_status.py",
)
EDGES: Final[dict[str, tuple[str, ...]]] = {
    "time.time": CLOCKS,
    "time.time_ns": CLOCKS,
    "datetime.now": CLOCKS,
    "datetime.datetime.now": CLOCKS,
    "os.environ": ("pumpwatch/settings.py", "pumpwatch/supervision/process.py"),
    "os.getenv": (),
}
"""Where the clock and the environment may be read; everywhere else they are arguments."""


@dataclass(frozen=True)
class Breach:
    """A line that breaks the architecture."""

    path: str
    line: int
    what: str


def breaches(path: str, source: str) -> Iterator[Breach]:
    """Yield every breach in a file, given its path below the root."""
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            for what in forbidden(path, name):
                yield Breach(path, node.lineno, what)
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in EDGES and not allowed(path, EDGES[name]):
            yield Breach(path, node.lineno, f"uses {name}")
        if isinstance(node, ast.ImportFrom) and node.level:
            yield Breach(path, node.lineno, "imports relatively")


def forbidden(path: str, name: str) -> Iterator[str]:
    """Yield what is wrong with importing the module or member `name` in the file `path`."""
    package, _, rest = path.partition("/")
    top, _, member = name.partition(".")
    if top in PACKAGES and top != package and top not in PACKAGES[package]:
        yield f"{package} imports {top}"
    if top in ONLY_IN and not allowed(path, ONLY_IN[top]):
        yield f"imports {top}"
    if top == package and ROOMS[package]:
        here, there = rest.partition("/")[0].removesuffix(".py"), member.partition(".")[0]
        if there != here and there not in ROOMS[package].get(here, set()):
            yield f"{package}/{here} imports {package}/{there}"


def imported(node: ast.AST) -> list[str]:
    """Return the full names that a statement imports; `from a import b` may name the module `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def allowed(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def rooms_of(package: str) -> set[str]:
    """Return the folders with modules and the single modules of a package."""
    found = {path.relative_to(ROOT / package).parts[0] for path in (ROOT / package).rglob("*.py")}
    return {name.removesuffix(".py") for name in found} - {"__init__"}


def test_only_the_table_builder_puts_rows_into_terminal_tables() -> None:
    builders = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if re.search(r"\.add_(row|column)\(|\.add_row\b", path.read_text("utf-8"))
    }
    assert builders == {"broker/display/terminal.py"}, "rich reads a cell as markup unless it is made there"


def test_every_file_keeps_to_the_architecture() -> None:
    found = [
        breach for path in sources() for breach in breaches(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]
    assert not found, "\n".join(f"{breach.path}:{breach.line}: {breach.what}" for breach in found)


@pytest.mark.parametrize("package", [package for package, rooms in ROOMS.items() if rooms])
def test_the_table_names_exactly_the_rooms_there_are(package: str) -> None:
    assert set(ROOMS[package]) == rooms_of(package)


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_form_layers_without_circles(package: str) -> None:
    above: dict[str, set[str]] = {room: set(below) for room, below in ROOMS[package].items()}
    while ready := {room for room, below in above.items() if not below}:
        above = {room: below - ready for room, below in above.items() if room not in ready}
    assert not above, f"these rooms import each other: {sorted(above)}"


@pytest.mark.parametrize(
    ("path", "source", "what"),
    [
        ("simulator/gateway/service.py", "import processor.engine.engine", "simulator imports processor"),
        ("processor/engine/engine.py", "from dashboard import theme", "processor imports dashboard"),
        ("dashboard/app.py", "def f():\n    from simulator.faults import FAULTS", "dashboard imports simulator"),
        ("broker/contract/codec.py", "from pumpwatch import settings", "broker imports pumpwatch"),
        ("broker/contract/codec.py", "from broker.store import journal", "broker/contract imports broker/store"),
        ("broker/contract/codec.py", "from broker import store", "broker/contract imports broker/store"),
        (
            "processor/rules/motor.py",
            "from processor.watch.readings import LAG",
            "processor/rules imports processor/watch",
        ),
        ("processor/engine/engine.py", "import processor.pipeline", "processor/engine imports processor/pipeline"),
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
