"""Ground truth: reports which fault each pump really has, for engineers and scoring; the processor never reads it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.messages import encode
from broker.truth.ground_truth import FILE, Expected, Story, Truth, Wrong
from simulator.faults import FAULTS
from simulator.playback.events import EVENTS
from simulator.playback.injection import NONE, Injections
from simulator.playback.simulation import Simulation

log = logging.getLogger("simulator")

MAX_BYTES: Final = 256 * 1024 * 1024
MAX_CHANGES: Final = 5000
"""Changes per message."""
SAME: Final = ("pump", "fault", "since")


@dataclass
class GroundTruthReporter:
    """Compares the injected faults now with those reported before."""

    simulation: Simulation
    _seen: Injections = NONE
    _reported: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self._reported = self.simulation.meant().clear()

    def changes(self) -> list[Wrong]:
        """Return what began and what ended since the last call; costs nothing if nothing did."""
        if self.simulation.injections is self._seen:
            return []
        self._seen, now = self.simulation.injections, self.simulation.meant()
        ended, begun = self._reported.join(now, on=SAME, how="anti"), now.join(self._reported, on=SAME, how="anti")
        self._reported = now
        time = self.simulation.time_ms
        return [
            *(Wrong(kind="ended", time=time, **row) for row in ended.sort(SAME).iter_rows(named=True)),
            *(Wrong(kind="begun", time=time, **row) for row in begun.sort(SAME).iter_rows(named=True)),
        ]


def messages(changes: list[Wrong], sent: int) -> Iterator[bytes]:
    """Yield changes as messages of at most `MAX_CHANGES`."""
    for first in range(0, len(changes), MAX_CHANGES):
        yield encode(Truth(sent=sent, changes=changes[first : first + MAX_CHANGES]))


def wanted() -> list[Expected]:
    """Return the alarms by which each fault, and each event that is not healthy, counts as found."""
    return [
        *(
            Expected(
                fault=fault.name,
                right=list(fault.right),
                accepted=list(fault.accepted),
                waits_for=fault.waits_for,
                silent_from=fault.silent_from,
            )
            for fault in FAULTS.values()
        ),
        *(
            Expected(fault=event.name, right=list(event.right), accepted=list(event.accepted))
            for event in EVENTS.values()
            if event.right
        ),
    ]


def story(simulation: Simulation) -> Story:
    """Return the start of this simulation, and the alarms by which each fault counts as found."""
    return Story(time=simulation.time_ms, pumps=simulation.scenario.pumps, expected=wanted())


class Ledger:
    """File of the ground truth, started anew with each run; writing stops at `MAX_BYTES` with a warning.

    The first line is the `broker.truth.ground_truth.Story`, each other line one change.
    """

    def __init__(self, folder: Path, story: Story) -> None:
        """Start the file in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        first = encode(story) + b"\n"
        self._path, self._bytes = folder / FILE, len(first)
        self._path.write_bytes(first)

    def write(self, changes: list[Wrong]) -> None:
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
