"""Retired pumps: their rows of the snapshot, searched, and sentences about one of them."""

from __future__ import annotations

from typing import Any

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.data import pump_search
from dashboard.languages import tr

_NAMES = (
    *(pl.col(name) for name in ("pump", "site", "gateway", "retired_by", "retired_why")),
    *pump_search.cohorts("model", "lot"),
)
"""What a search among retired pumps matches."""


def row(snapshot: Snapshot, serial: str) -> dict[str, Any] | None:
    """Return a retired pump's row of the snapshot, or None if there is no retired pump of that serial."""
    found = snapshot.retired.filter(pl.col("pump") == serial)
    return found.row(0, named=True) if found.height else None


def is_known(snapshot: Snapshot, serial: str) -> bool:
    """Return whether a gateway has announced a pump, retired or not."""
    return snapshot.table.row(serial) is not None or row(snapshot, serial) is not None


def found(snapshot: Snapshot, text: str) -> pl.DataFrame:
    """Return the retired pumps that match a search text, those retired last first."""
    matching = snapshot.retired.filter(pump_search.contains(text, _NAMES))
    return matching.sort("retired_wall", "pump", descending=[True, False], nulls_last=True)


def by_itself(retired: dict[str, Any]) -> bool:
    """Return whether a pump was retired by itself and can be reinstated, rather than with its gateway."""
    return retired["retired_wall"] is not None


def since(retired: dict[str, Any]) -> str:
    """Return since when a pump is retired, and by whom: "since 12 Jan 2026, 12:32 UTC by eva"."""
    if not by_itself(retired):
        return tr("with gateway {gateway}, which withdrew its birth", gateway=retired["gateway"])
    moment = formatting.moment(retired["retired_wall"])
    if retired["retired_by"]:
        return tr("since {moment} by {who}", moment=moment, who=retired["retired_by"])
    return tr("since {time}", time=moment)
