"""The merger: reads the snapshot of the latest epoch of each range and writes one, as a single processor writes it.

Any number of dashboards read it as they read that of a single processor. A part that has changed in no range is not
written again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import fleet_silence
from broker.store.cluster_health import NodeHealth, RangeHealth
from broker.store.pump_table import PumpTable
from broker.store.snapshot import ALARMS_SCHEMA, Health, Snapshot, empty
from broker.store.snapshot_files import SMALL, SnapshotReader, SnapshotWriter, TableFiles, stamp
from cluster import layout
from cluster.merging import fleet, health, own_alarms, range_health, snapshots, tables
from cluster.merging.own_alarms import Condition, OwnAlarms
from cluster.merging.servers import ServerDown
from cluster.merging.stale import StaleRange, Watch
from cluster.merging.tables import Placement
from cluster.node_reports import NodeReports

DIRECTORY: Final = "snapshot"
PARTS: Final = {"facts": tables.facts, "values": tables.values, "forecasts": tables.forecasts}
"""The parts of the table of pumps that are written only if they have changed, and how they are made."""


@dataclass
class _Range:
    """What the merger has last read of a range; `epoch` 0 means that nobody has owned it yet."""

    epoch: int = 0
    reader: SnapshotReader | None = None
    stamp: tuple[int, int] | None = None
    snapshot: Snapshot = field(default_factory=empty)


@dataclass
class Merger:
    """Merges the snapshots of all ranges of a cluster in `data`. `started` is wall ms.

    `own` are the alarms that the merger itself raises, `standing` those of the last step, `seen` the ranges and nodes
    of the last step.

    Two of them do no lasting harm: the manifest is replaced in one step, and the next one replaces it again.
    """

    data: Path
    ranges: int
    started: int
    version: int = 0
    own: OwnAlarms = field(default_factory=OwnAlarms)
    standing: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ALARMS_SCHEMA))
    seen: tuple[list[RangeHealth], list[NodeHealth]] = ([], [])
    _watch: Watch = field(default_factory=Watch)
    _known: list[_Range] = field(default_factory=list)
    _shown: list[PumpTable] = field(default_factory=list)
    _placement: Placement = field(default_factory=Placement)
    _files: TableFiles = field(default_factory=TableFiles)
    _merged: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known = [_Range() for _ in range(layout.check_ranges(self.ranges))]
        self._writer = SnapshotWriter(self.data / DIRECTORY)
        self._reports, self._fleet = NodeReports(self.data), fleet_silence.read(self.data)

    def step(self, now_s: float, wall_ms: int, mine: Callable[[], bool], servers: Sequence[ServerDown] = ()) -> bool:
        """Write a merged snapshot if any range has a new one or an own alarm stands; return whether it was written.

        `now_s` is a clock that is never set, `mine` says whether the lease of the merger is still held: it is asked
        last, so that a merger that was stopped in between leaves the snapshot to its successor. `servers` are those
        that are down. Raises `OSError` if the snapshot cannot be written; then it may be tried again.
        """
        for number, known in enumerate(self._known):
            self._read(number, known)
        found = [
            (known, self._watch.look(number, known.snapshot, known.epoch, now_s, wall_ms))
            for number, known in enumerate(self._known)
        ]
        # If no range has its broker, that is one alarm about the fleet.
        deaf = all(each is not None and each.deaf for known, each in found if known.snapshot.table.height)
        not_judged = [each for _, each in found if each is not None and not (deaf and each.deaf)]
        nodes, owned = self._reports.read(now_s)
        lost = {each.number for each in not_judged}
        self.seen = (
            [
                range_health.of(number, known.snapshot, self._watch, owned, now_s, judged=number not in lost)
                for number, known in enumerate(self._known)
            ],
            nodes,
        )
        current = [known.snapshot for known in self._known]
        conditions = self._conditions(not_judged, nodes, servers, wall_ms)
        self.standing = own = self.own.of(conditions, now_s, wall_ms)
        if own.is_empty() and self._merged and all(map(operator.is_, current, self._merged)):
            return False
        seen = [known.snapshot for known, _ in found if known.snapshot.version]
        judged = [known.snapshot for known, each in found if each is None and known.snapshot.version]
        working = [known.snapshot for known, each in found if each is None or each.deaf]
        table, fresh, placement = self._table([one.table for one in seen])
        ages = snapshots.ages(judged or seen)
        files = self._writer.write_table(fresh, self._files, at=wall_ms, run=self.started, version=self.version + 1)
        speaker = next((at for at, one in enumerate(seen) if any(one is each for each in judged)), 0)
        whole = snapshots.merged(
            seen, table, self._health(seen, judged, [one.note for one in conditions]), own, speaker=speaker
        )
        if not mine():
            return False
        self._judge_fleet(working)
        small = {name: whole.table.marks if name == "marks" else getattr(whole, name) for name in SMALL}
        files = TableFiles(files.facts, files.values, files.forecasts, *ages)
        self._writer.publish(files, small, whole.health)
        self.version, self._files, self._merged = whole.version, files, current if own.is_empty() else []
        self._shown, self._placement = [one.table for one in seen], placement
        return True

    def _conditions(
        self, ranges: Sequence[StaleRange], nodes: Sequence[NodeHealth], servers: Sequence[ServerDown], wall_ms: int
    ) -> list[Condition]:
        """Return what the merger itself raises an alarm about; nodes and servers as of the range furthest ahead."""
        therapy_ms = max(known.snapshot.health.therapy_ms for known in self._known)
        return [
            *(one.condition() for one in ranges),
            *(own_alarms.lost(one, wall_ms, therapy_ms) for one in nodes if one.silent_s > 0),
            *(one.condition(therapy_ms) for one in servers),
        ]

    def _read(self, number: int, known: _Range) -> None:
        """Read the snapshot of the latest epoch; one that cannot be read leaves the one before, which then gets old."""
        epochs = layout.epochs(self.data, number)
        if not epochs:
            return
        if known.reader is None or known.epoch != epochs[-1]:
            known.reader = SnapshotReader(layout.epoch_directory(self.data, number, epochs[-1]) / DIRECTORY)
            known.epoch, known.stamp = epochs[-1], None
        try:
            current = stamp(layout.epoch_directory(self.data, number, epochs[-1]) / DIRECTORY)
            if current == known.stamp:
                return
            found, known.stamp = known.reader.read(), current
        except (OSError, ValueError, pl.exceptions.PolarsError):
            return
        # A successor that has not made a snapshot yet leaves its predecessor's in sight.
        known.snapshot = found if found.version else known.snapshot

    def _table(self, shown: Sequence[PumpTable]) -> tuple[PumpTable, dict[str, pl.DataFrame], Placement]:
        """Return the table of all pumps with those parts only that changed, these parts, and where the rows are."""
        unchanged = {
            part
            for part in PARTS
            if len(shown) == len(self._shown)
            and all(_same(new, old, part) for new, old in zip(shown, self._shown, strict=True))
        }
        moved = not {"facts", "values"} <= unchanged
        placement = tables.place(shown) if moved else self._placement
        if not self._files.facts or not placement.same_as(self._placement):
            unchanged = set()
        fresh = {part: make(shown, placement) for part, make in PARTS.items() if part not in unchanged}
        nothing = pl.DataFrame()
        table = PumpTable(
            fresh.get("facts", nothing),
            fresh.get("values", nothing),
            fresh.get("forecasts", nothing),
            tables.marks(shown, placement),
        )
        return table, fresh, placement

    def _judge_fleet(self, ranges: Sequence[Snapshot]) -> None:
        """Tell the processors of all ranges how many pumps of the fleet are silent."""
        counts = [one.health.silence for one in ranges if one.health.silence is not None]
        found = fleet.judged(counts, self._fleet)
        if found is not None and found != self._fleet:
            fleet_silence.write(self.data, found)
            self._fleet = found

    def _health(self, seen: Sequence[Snapshot], judged: Sequence[Snapshot], notes: list[str]) -> Health:
        return health.merged(
            [one.health for one in seen],
            version=self.version + 1,
            started=self.started,
            written=min((one.health.written for one in judged or seen), default=0),
            notes=notes,
            cluster=self.seen,
        )


def _same(new: PumpTable, old: PumpTable, part: str) -> bool:
    """Return whether a part is the same object: a reader keeps what has not changed."""
    return getattr(new, part) is getattr(old, part)
