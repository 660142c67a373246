"""Manifest of a checkpoint: which files belong to it, and what is too small for a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from broker.store.journal_chain import BEGINNING
from processor.intake.gateway import Gateway

MANIFEST: Final = "manifest.json"
FORMAT: Final = 3
OLDER_FORMATS: Final = (1, 2)
"""Formats that are still read: 1 is migrated (`processor.service.checkpoint_migration`), 2 has no message log and its
state in one file."""


class _Common(msgspec.Struct, kw_only=True):
    """What the manifest of a checkpoint says, apart from its gateways: names of files, and what is too small for one.

    `log` is the first part of the message log that is not contained.
    """

    format: int = FORMAT
    state: str | list[str]
    alarms: str
    pumps: str
    gaps: str = ""
    orders: str = ""
    forgotten: int = 0
    timers: str = ""
    backlog: str = ""
    faults: list[str]
    fault_titles: dict[str, str] = {}
    saved: int
    acted: list[str] = []
    compared: int = 0
    entries: int = 0
    hash: bytes = BEGINNING
    log: int = 0


class Manifest(_Common, kw_only=True):
    """A manifest as it is read."""

    gateways: list[Gateway]


class Written(_Common, kw_only=True):
    """A manifest as it is written: its gateways are encoded already, because they change."""

    gateways: msgspec.Raw


def manifest_of(directory: Path) -> Manifest | None:
    """Return the manifest of a checkpoint, None if there is none that can be read."""
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def check(manifest: Manifest) -> None:
    """Raise `ValueError` if this version cannot read the checkpoint."""
    if manifest.format not in (FORMAT, *OLDER_FORMATS):
        raise ValueError(f"its format is {manifest.format}; this version reads up to {FORMAT}")
