"""Seal of restored journal entries: what they were when they were restored from a backup without their key.

Such entries can no longer be verified with the key that made their hashes. So their digest is written down among the
secrets when they are restored; later entries are made with a new key and continue the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.store import secret_files
from broker.store.journal_chain import CHAINED, FORMAT

FILE: Final = "journal.restored"
COLUMNS: Final = (*CHAINED[FORMAT], "hash")


class Seal(msgspec.Struct, frozen=True):
    """The first `entries` of a journal came from a backup made at `created` (wall ms); `digest` is in hexadecimal."""

    entries: int
    created: int
    digest: str


def path(data: Path) -> Path:
    """Return the file of the seal of a data directory's journal."""
    return secret_files.path(data) / FILE


def read(data: Path) -> Seal | None:
    """Return the seal, None if the journal was never restored without its key. Raises `OSError` if it is damaged."""
    try:
        return msgspec.json.decode(path(data).read_bytes(), type=Seal)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise OSError(f"{path(data)} is not what Pumpwatch writes ({error})") from error


def entries(data: Path) -> int:
    """Return how many entries were restored without their key. Raises `OSError`."""
    seal = read(data)
    return 0 if seal is None else seal.entries


def write(data: Path, seal: Seal) -> None:
    """Replace the seal durably. Raises `OSError`."""
    secret_files.write(secret_files.directory(data) / FILE, msgspec.json.encode(seal))


def content(row: Mapping[str, Any]) -> bytes:
    """Return what of an entry is sealed: every column, and its hash."""
    return msgspec.json.encode([row[name] for name in COLUMNS]) + b"\n"
