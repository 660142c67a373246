"""Ground truth: reports which fault each pump really has, for engineers and scoring; the processor never reads it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.messages import encode
from broker.truth.ground_truth import FILE, FaultChange, FaultFacts, GroundTruth, RunHeader
from simulator.faults import FAULTS
from simulator.playback.injection import NONE, Injections
from simulator.playback.simulation import Simulation

log = logging.getLogger("simulator")

MAX_BYTES: Final = 256 * 1024 * 1024
MAX_CHANGES: Final = 5000
"""Changes per message."""
SAME: Final = ("pump", "fault", "since")


@dataclass
class GroundTruthReporter:
    """Compares the injected faults now with those reported before.

    `commanded` says who commanded a fault at a therapy time (ms); it is emptied once that was reported.
    """

    simulation: Simulation
    commanded: dict[tuple[str, int], str] = field(default_factory=dict)
    _seen: Injections = NONE
    _reported: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self._reported = self.simulation.ground_truth().clear()

    def changes(self) -> list[FaultChange]:
        """Return what began and what ended since the last call; costs nothing if nothing did."""
        if self.simulation.injections is self._seen:
            return []
        self._seen, now = self.simulation.injections, self.simulation.ground_truth()
        ended, begun = self._reported.join(now, on=SAME, how="anti"), now.join(self._reported, on=SAME, how="anti")
        self._reported = now
        time, commanded = self.simulation.time_ms, dict(self.commanded)
        self.commanded.clear()
        return [
            *(FaultChange(kind="ended", time=time, **row) for row in ended.sort(SAME).iter_rows(named=True)),
            *(
                FaultChange(kind="begun", time=time, by=commanded.get((row["fault"], row["since"]), ""), **row)
                for row in begun.sort(SAME).iter_rows(named=True)
            ),
        ]


def messages(changes: list[FaultChange], sent: int) -> Iterator[bytes]:
    """Yield changes as messages of at most `MAX_CHANGES`."""
    for first in range(0, len(changes), MAX_CHANGES):
        yield encode(GroundTruth(sent=sent, changes=changes[first : first + MAX_CHANGES]))


def fault_facts() -> list[FaultFacts]:
    """Return what scoring must know about each fault."""
    return [
        FaultFacts(fault=fault.name, title=fault.title, waits_for=fault.waits_for, silent_from=fault.silent_from)
        for fault in FAULTS.values()
    ]


def run_header(simulation: Simulation) -> RunHeader:
    """Return the first line of the ground truth of this simulation."""
    return RunHeader(time=simulation.time_ms, pumps=simulation.scenario.pumps, faults=fault_facts())


class LedgerFile:
    """File of the ground truth, started anew with each run; writing stops at `MAX_BYTES` with a warning.

    The first line is the `broker.truth.ground_truth.RunHeader`, each other line one `FaultChange`.
    """

    def __init__(self, folder: Path, header: RunHeader) -> None:
        """Start the file in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        first = encode(header) + b"\n"
        self._path, self._bytes = folder / FILE, len(first)
        self._path.write_bytes(first)

    def write(self, changes: list[FaultChange]) -> None:
        """Append changes."""
        lines = b"".join(encode(change) + b"\n" for change in changes)
        if self._bytes <= MAX_BYTES < self._bytes + len(lines):
            log.warning(
                "%s reached its limit of %s bytes; later changes are published on MQTT only", FILE, f"{MAX_BYTES:,}"
            )
        self._bytes += len(lines)
        if self._bytes <= MAX_BYTES:
            with self._path.open("ab") as file:
                file.write(lines)
