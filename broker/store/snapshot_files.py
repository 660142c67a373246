"""Files of the current snapshot: immutable frames, and a manifest that names them and is replaced in one step.

A reader sees either the old snapshot or the new one. A part that has not changed is not written again: the manifest
names its file of before. Files of older snapshots are removed when no reader starts on them any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.store import column_file
from broker.store.column_file import ColumnFile
from broker.store.pump_table import FACTS_SCHEMA, FORECASTS_SCHEMA, LABELS, MARKS_SCHEMA, VALUES_SCHEMA, PumpTable
from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, ORDERS_SCHEMA, RETIRED_SCHEMA, Health, Snapshot, empty

MANIFEST: Final = "manifest.json"
KEPT_VERSIONS: Final = 3
NEW: Final = ".new"
"""Ending of a file that no manifest names yet."""
SMALL: Final = {
    "marks": MARKS_SCHEMA,
    "alarms": ALARMS_SCHEMA,
    "gateways": GATEWAYS_SCHEMA,
    "orders": ORDERS_SCHEMA,
    "retired": RETIRED_SCHEMA,
    "rules": RULES_SCHEMA,
}
"""The parts that are rewritten with every snapshot."""
COLUMN_FILES: Final = {"values": VALUES_SCHEMA, "forecasts": FORECASTS_SCHEMA}
ATTEMPTS: Final = 10


class TableFiles(msgspec.Struct, frozen=True):
    """Names of the files of a pump table, and as of when values and forecasts are (wall ms)."""

    facts: str = ""
    values: str = ""
    forecasts: str = ""
    values_at: int = 0
    forecasts_at: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""
        return self.facts, self.values, self.forecasts


class _Manifest(msgspec.Struct):
    """The current snapshot; one of an older version names no facts. `earlier` are the files of those before."""

    version: int
    health: Health
    table: TableFiles = TableFiles()
    small: dict[str, str] = {}
    earlier: list[list[str]] = []

    @property
    def names(self) -> list[str]:
        return [*self.table.names, *self.small.values()]


class SnapshotWriter:
    """Writes the snapshots of a directory, each part only when it has changed.

    `write_table` may run in another thread than `publish`, which makes the next snapshot the current one.
    """

    def __init__(self, directory: Path) -> None:
        """Continue where an earlier writer ended. There must be no other one."""
        self._directory = directory
        self._written: dict[str, tuple[pl.DataFrame, str]] = {}
        for left in directory.glob(f"*{NEW}"):
            with contextlib.suppress(OSError):
                left.unlink()
        found = self._current()
        self._earlier = [] if found is None else [found.names, *found.earlier][:KEPT_VERSIONS]

    def write_table(
        self, parts: dict[str, pl.DataFrame], before: TableFiles, *, at: int, run: int, version: int
    ) -> TableFiles:
        """Write those of the parts `facts`, `values`, `forecasts` of a pump table that are new; the others stay.

        `at` is wall ms; `run` and `version` name the files. Raises `OSError`.
        """
        names, times = {}, {}
        for part, frame in parts.items():
            names[part] = _name(part, run, version)
            self._retried(lambda part=part, frame=frame: self._write_part(part, frame, names[part]))  # type: ignore[misc]
            if part in COLUMN_FILES:
                times[f"{part}_at"] = at
        return msgspec.structs.replace(before, **names, **times)

    def publish(self, table: TableFiles, small: dict[str, pl.DataFrame], health: Health) -> None:
        """Make a snapshot of a written table and the parts of `SMALL` the current one. Raises `OSError`."""
        self._retried(lambda: self._publish(table, small, health))
        _remove_all_but(self._directory, [name for names in self._earlier for name in names])

    def write(self, snapshot: Snapshot) -> None:
        """Write a whole snapshot and make it the current one. Raises `OSError`."""
        health, table = snapshot.health, snapshot.table
        parts = {name: table.frame.select(*schema) for name, schema in COLUMN_FILES.items()}
        files = self.write_table(
            {"facts": table.facts, **parts}, TableFiles(), at=health.written, run=health.started, version=health.version
        )
        if table.values_at or table.forecasts_at:
            files = msgspec.structs.replace(files, values_at=table.values_at, forecasts_at=table.forecasts_at)
        small = {name: getattr(snapshot, name) for name in SMALL if name != "marks"}
        self.publish(files, {"marks": table.marks, **small}, health)

    def _write_part(self, part: str, frame: pl.DataFrame, name: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{name}{NEW}"
        if part in COLUMN_FILES:
            column_file.write(path, frame.select(*COLUMN_FILES[part]))
        elif part == "facts":
            labels = {label: pl.Categorical() for label in LABELS}
            _write_ipc(path, frame, {**FACTS_SCHEMA, **labels})
        else:
            _write_ipc(path, frame, SMALL[part])

    def _publish(self, table: TableFiles, small: dict[str, pl.DataFrame], health: Health) -> None:
        names = {}
        for part, frame in small.items():
            known, name = self._written.get(part, (None, ""))
            if known is not frame and (known is None or not frame.equals(known)):
                name = _name(part, health.started, health.version)
                self._write_part(part, frame, name)
            names[part] = name
        manifest = _Manifest(health.version, health, table, names, self._earlier)
        for name in manifest.names:
            fresh = self._directory / f"{name}{NEW}"
            if fresh.exists():
                fresh.replace(self._directory / name)
        fresh = self._directory / f"{MANIFEST}{NEW}"
        fresh.write_bytes(msgspec.json.encode(manifest))
        fresh.replace(self._directory / MANIFEST)
        self._written = {part: (frame, names[part]) for part, frame in small.items()}
        self._earlier = [manifest.names, *self._earlier][:KEPT_VERSIONS]

    def _retried(self, write: Callable[[], None]) -> None:
        """Write; if the disk is full, remove the older snapshots and try once more."""
        try:
            write()
        except OSError:
            current = self._current()
            _remove_all_but(self._directory, [] if current is None else current.names)
            self._earlier = self._earlier[:1]
            write()

    def _current(self) -> _Manifest | None:
        with contextlib.suppress(msgspec.DecodeError):
            return _manifest(self._directory)
        return None


def write(directory: Path, snapshot: Snapshot) -> None:
    """Write a whole snapshot and make it the current one. Raises `OSError`."""
    SnapshotWriter(directory).write(snapshot)


class SnapshotReader:
    """Reads the snapshots of a directory; a part that stays the same from one to the next is read once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._parts: dict[str, pl.DataFrame | ColumnFile] = {}

    def read(self) -> Snapshot:
        """Read the current snapshot; `empty()` if this version of Pumpwatch has not written one yet.

        Pump values and forecasts are memory-mapped. Columns that a processor of an older version did not write are
        null. Raises `OSError` or `ValueError` if a file is damaged.
        """
        for _ in range(ATTEMPTS):
            manifest = _manifest(self._directory)
            if manifest is None or not manifest.table.facts:
                return empty()
            try:
                return self._read(manifest)
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"the snapshots in {self._directory} are replaced faster than they can be read")

    def _read(self, manifest: _Manifest) -> Snapshot:
        table, small = manifest.table, manifest.small
        # Those first that are soonest replaced.
        frames = {part: self._frame(small.get(part, ""), schema) for part, schema in SMALL.items()}
        pumps = PumpTable(
            self._frame(table.facts, FACTS_SCHEMA),
            self._columns(table.values, VALUES_SCHEMA),
            self._columns(table.forecasts, FORECASTS_SCHEMA),
            frames.pop("marks"),
            table.values_at,
            table.forecasts_at,
        )
        self._parts = {name: part for name, part in self._parts.items() if name in manifest.names}
        return Snapshot(pumps, health=manifest.health, **frames)

    def _columns(self, name: str, schema: dict[str, pl.DataType]) -> ColumnFile:
        part = self._parts.get(name)
        if not isinstance(part, ColumnFile):
            self._parts[name] = part = ColumnFile(self._directory / name, schema)
        return part

    def _frame(self, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        part = self._parts.get(name)
        if not isinstance(part, pl.DataFrame):
            self._parts[name] = part = (
                _read_ipc(self._directory / name, schema) if name else pl.DataFrame(schema=schema)
            )
        return part


def read(directory: Path) -> Snapshot:
    """Read the current snapshot; see `SnapshotReader.read`."""
    return SnapshotReader(directory).read()


def stamp(directory: Path) -> tuple[int, int] | None:
    """Return a value that differs whenever another snapshot is current; None if there is none."""
    try:
        # Asked for many times a second; a path of pathlib takes longer to make than the answer.
        found = os.stat(f"{directory}/{MANIFEST}")  # noqa: PTH116
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _manifest(directory: Path) -> _Manifest | None:
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=_Manifest)
    except FileNotFoundError:
        return None


def _name(part: str, run: int, version: int) -> str:
    # The name includes the run: a reader may still have the files of the previous run mapped into memory.
    return f"{part}-{run}-{version}.{'columns' if part in COLUMN_FILES else 'arrow'}"


def _write_ipc(path: Path, frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> None:
    frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).write_ipc(path, compression="uncompressed")


def _read_ipc(path: Path, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    # The name of the data directory may contain [ or *, which are no pattern.
    frame = pl.scan_ipc(path, glob=False).collect(engine="in-memory")
    missing = [pl.lit(None, dtype).alias(column) for column, dtype in schema.items() if column not in frame.columns]
    return frame.with_columns(missing).select(*schema) if missing else frame


def _remove_all_but(directory: Path, names: Iterable[str]) -> None:
    """Remove the files of all snapshots but those of these names, and but those that no manifest names yet."""
    kept = set(names)
    for pattern in ("*-*.arrow", "*-*.columns"):
        for path in directory.glob(pattern):
            if path.name not in kept:
                path.unlink(missing_ok=True)
