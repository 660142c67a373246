"""Single parts of the current snapshot for readers that need neither all pumps nor their values."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec
import polars as pl

from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import Health
from broker.store.snapshot_files import MANIFEST, TableFiles


class _Manifest(msgspec.Struct):
    """What is read of the manifest."""

    health: Health
    table: TableFiles = TableFiles()
    small: dict[str, str] = {}


def health(directory: Path) -> Health | None:
    """Return the health of the pipeline in the current snapshot, None if there is none that can be read."""
    manifest = _manifest(directory)
    return None if manifest is None else manifest.health


def rules(directory: Path) -> pl.DataFrame:
    """Return the rules (`RULES_SCHEMA`) of the current snapshot, none if there is none that can be read."""
    manifest = _manifest(directory)
    name = "" if manifest is None else manifest.small.get("rules", "")
    try:
        return pl.scan_ipc(directory / name, glob=False).collect() if name else pl.DataFrame(schema=RULES_SCHEMA)
    except (OSError, pl.exceptions.PolarsError):
        return pl.DataFrame(schema=RULES_SCHEMA)


def labels(directory: Path, pumps: Collection[str]) -> dict[str, dict[str, str | None]]:
    """Return gateway, site, model and lot of some pumps by serial; pumps that the snapshot does not have are missing.

    Only their rows are kept in memory, however large the fleet is.
    """
    manifest = _manifest(directory)
    if manifest is None or not manifest.table.facts or not pumps:
        return {}
    names = ("gateway", "site", "model", "lot")
    try:
        found = (
            pl.scan_ipc(directory / manifest.table.facts, glob=False)
            .filter(pl.col("pump").is_in(list(pumps)))
            .select("pump", *(pl.col(name).cast(pl.String) for name in names))
            .collect()
        )
    except (OSError, pl.exceptions.PolarsError):
        return {}
    return {row["pump"]: {name: row[name] for name in names} for row in found.iter_rows(named=True)}


def _manifest(directory: Path) -> _Manifest | None:
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
