"""Files of the current snapshot: immutable Arrow frames, and a manifest that names them and is replaced in one step.

A reader sees either the old snapshot or the new one; frames of older versions are removed when no reader starts on
them any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.store.snapshot import (
    ALARMS_SCHEMA,
    GATEWAYS_SCHEMA,
    ORDERS_SCHEMA,
    PUMPS_SCHEMA,
    RETIRED_SCHEMA,
    Health,
    Snapshot,
    empty,
)

MANIFEST: Final = "manifest.json"
KEPT_VERSIONS: Final = 3


class _Manifest(msgspec.Struct):
    version: int
    pumps: str
    alarms: str
    gateways: str
    health: Health
    orders: str = ""
    retired: str = ""


def write(directory: Path, snapshot: Snapshot) -> None:
    """Write a snapshot and make it the current one. Frames must have the columns of their schemas.

    If the disk is full, the older snapshots are removed and the write is tried once more before `OSError` is raised.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        _write(directory, snapshot)
    except OSError:
        _remove_all_but_current(directory)
        _write(directory, snapshot)
    _remove_old(directory, snapshot.health.version)


def _write(directory: Path, snapshot: Snapshot) -> None:
    version = snapshot.health.version
    frames: dict[str, tuple[pl.DataFrame, dict[str, pl.DataType]]] = {
        "pumps": (snapshot.pumps, PUMPS_SCHEMA),
        "alarms": (snapshot.alarms, ALARMS_SCHEMA),
        "gateways": (snapshot.gateways, GATEWAYS_SCHEMA),
        "orders": (snapshot.orders, ORDERS_SCHEMA),
        "retired": (snapshot.retired, RETIRED_SCHEMA),
    }
    names = {}
    for name, (frame, schema) in frames.items():
        # The name includes the run: a reader may still have the files of the previous run mapped into memory.
        names[name] = f"{name}-{snapshot.health.started}-{version}.arrow"
        frame.select(pl.col(column).cast(dtype) for column, dtype in schema.items()).write_ipc(
            directory / names[name], compression="uncompressed"
        )
    manifest = _Manifest(version, health=snapshot.health, **names)
    fresh = directory / f"{MANIFEST}.new"
    fresh.write_bytes(msgspec.json.encode(manifest))
    fresh.replace(directory / MANIFEST)


def read(directory: Path) -> Snapshot:
    """Read the current snapshot, memory-mapped; `empty()` if none was written yet.

    Columns that a processor of an older version did not write are null.
    """
    for _ in range(10):
        try:
            manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=_Manifest)
        except FileNotFoundError:
            return empty()
        try:
            pumps = _frame(directory, manifest.pumps, PUMPS_SCHEMA)
            alarms = _frame(directory, manifest.alarms, ALARMS_SCHEMA)
            gateways = _frame(directory, manifest.gateways, GATEWAYS_SCHEMA)
            orders = _frame(directory, manifest.orders, ORDERS_SCHEMA)
            retired = _frame(directory, manifest.retired, RETIRED_SCHEMA)
        except FileNotFoundError:
            continue
        return Snapshot(pumps, alarms, gateways, manifest.health, orders, retired)
    raise FileNotFoundError(f"the snapshots in {directory} are replaced faster than they can be read")


def stamp(directory: Path) -> tuple[int, int] | None:
    """Return a value that differs whenever another snapshot is current; None if there is none."""
    try:
        found = (directory / MANIFEST).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _frame(directory: Path, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Read a frame; an older version did not write some of its columns, or (no name) none of it."""
    if not name:
        return pl.DataFrame(schema=schema)
    # The name of the data directory may contain [ or *, which are no pattern.
    frame = pl.scan_ipc(directory / name, glob=False).collect(engine="in-memory")
    missing = [pl.lit(None, dtype).alias(column) for column, dtype in schema.items() if column not in frame.columns]
    return frame.with_columns(missing).select(*schema) if missing else frame


def _remove_all_but_current(directory: Path) -> None:
    manifest = directory / MANIFEST
    current = msgspec.json.decode(manifest.read_bytes(), type=_Manifest) if manifest.exists() else None
    kept = (
        set() if current is None else {current.pumps, current.alarms, current.gateways, current.orders, current.retired}
    )
    for path in directory.glob("*-*.arrow"):
        if path.name not in kept:
            path.unlink()


def _remove_old(directory: Path, version: int) -> None:
    for path in directory.glob("*-*.arrow"):
        number = path.stem.rpartition("-")[2]
        if number.isdigit() and not version - KEPT_VERSIONS < int(number) <= version:
            path.unlink(missing_ok=True)
