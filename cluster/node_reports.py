"""Reports of nodes: one small file of each in the shared directory, which the merger reads for the dashboards."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from broker.store import durable_write
from broker.store.cluster_health import NodeHealth
from cluster.membership import MAX_NODES

DIRECTORY: Final = "nodes"
ENDING: Final = ".json"
SILENT_S: Final = 15.0
"""A node that has not rewritten its report for this long is shown as silent: it writes one every few seconds."""
SHOWN_S: Final = 86_400.0
"""For how long a silent node is shown if no other one is started in its place; then its file is removed."""
MAX_REPORTS: Final = 4 * MAX_NODES
"""Reports that are read: those of live nodes, and of some that ended without saying so. The others are removed."""


class Held(msgspec.Struct, frozen=True):
    """A range that a node owns: under which epoch, since when (wall ms), and from which silent node it took it ("")."""

    number: int
    epoch: int
    since: int
    former: str = ""


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says about itself at `at` (wall ms); `beat` changes with each report, the others are as in
    `NodeHealth`.
    """

    node: str
    started: int
    at: int = 0
    beat: int = 0
    held: list[Held] = []
    merger: bool = False
    lost: int = 0
    taken_over: int = 0
    restarts: int = 0


def write(data: Path, report: NodeReport) -> None:
    """Write the report of a node over its last one; raises `OSError`."""
    directory = data / DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = msgspec.json.encode(report)
    durable_write.replace(directory / f"{report.node}{ENDING}", lambda aside: aside.write_bytes(content))


def remove(data: Path, node: str) -> None:
    """Remove the report of a node that ends as it should; what cannot be removed is shown as silent for a while."""
    with contextlib.suppress(OSError):
        (data / DIRECTORY / f"{node}{ENDING}").unlink(missing_ok=True)


@dataclass
class NodeReports:
    """Reads the reports of all nodes; since when one is silent is told by the reader's own clock."""

    data: Path
    _seen: dict[str, tuple[NodeReport, float]] = field(default_factory=dict)

    def read(self, now_s: float) -> tuple[list[NodeHealth], dict[int, tuple[str, Held]]]:
        """Return all nodes by name, and the node and lease of each range that one of them owns.

        `now_s` is a clock that is never set. Of two that say they own a range, the one with the later epoch does. A
        report that cannot be read counts as not renewed. A silent node in whose place another one was started is left
        out; once that is so for all that are silent, their reports are removed.
        """
        seen: dict[str, tuple[NodeReport, float]] = {}
        paths = sorted((self.data / DIRECTORY).glob(f"*{ENDING}"), key=_age)
        for path in paths[MAX_REPORTS:]:
            remove(self.data, path.stem)
        for path in paths[:MAX_REPORTS]:
            report, since_s = self._look(path, now_s)
            if report is not None and now_s - since_s < SHOWN_S:
                seen[path.name] = report, since_s
            elif report is not None:
                remove(self.data, path.stem)
        silent = {report.node for report, since_s in seen.values() if now_s - since_s >= SILENT_S}
        replaced = _replaced([report for report, _ in seen.values()], silent)
        if replaced == silent:
            for node in replaced:
                remove(self.data, node)
        self._seen = seen
        owned: dict[int, tuple[str, Held]] = {}
        for report, _ in seen.values():
            for held in report.held:
                if held.number not in owned or owned[held.number][1].epoch < held.epoch:
                    owned[held.number] = report.node, held
        shown = [each for each in seen.values() if each[0].node not in replaced]
        return sorted((_health(*each, now_s) for each in shown), key=lambda one: one.node), owned

    def _look(self, path: Path, now_s: float) -> tuple[NodeReport | None, float]:
        known = self._seen.get(path.name)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=NodeReport)
        except (OSError, msgspec.DecodeError):
            return known or (None, now_s)
        return known if known is not None and known[0] == found else (found, now_s)


def _replaced(reports: Sequence[NodeReport], silent: Set[str]) -> set[str]:
    """Return the silent nodes after whose last report another one was started; each stands for one only.

    Here clocks of machines are compared, by the times in the reports: on one machine it is the same clock.
    """
    started = sorted(reports, key=lambda one: one.started)
    found = set()
    for lost in sorted((one for one in reports if one.node in silent), key=lambda one: (one.at, one.node)):
        for other in started:
            if other is not lost and other.started > lost.at:
                started.remove(other)
                found.add(lost.node)
                break
    return found


def _health(report: NodeReport, since_s: float, now_s: float) -> NodeHealth:
    silent_s = now_s - since_s
    return NodeHealth(
        node=report.node,
        started=report.started,
        silent_s=silent_s if silent_s >= SILENT_S else 0.0,
        ranges=[held.number for held in report.held],
        merger=report.merger,
        lost=report.lost,
        taken_over=report.taken_over,
        restarts=report.restarts,
    )


def _age(path: Path) -> float:
    """Return a number that is smaller for newer files."""
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0
