"""Anchor of the journal, among the secrets: how far it was, so that one that was cut off or rewritten is found."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from broker.store import secret_files
from broker.store.journal_chain import BEGINNING, Head

FILE: Final = "journal.anchor"


class _Written(msgspec.Struct):
    """The content of the file: number of entries, and hash of the last in hexadecimal."""

    entries: int
    hash: str


def path(data: Path) -> Path:
    """Return the file of the anchor of a data directory's journal."""
    return secret_files.path(data) / FILE


def read(data: Path) -> Head | None:
    """Return how far the journal was, None if there is no anchor. Raises `OSError` if it cannot be read."""
    try:
        written = msgspec.json.decode(path(data).read_bytes(), type=_Written)
        digest = bytes.fromhex(written.hash)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise OSError(f"{path(data)} is not what Pumpwatch writes ({error})") from error
    if written.entries < 0 or len(digest) != len(BEGINNING):
        raise OSError(f"{path(data)} is not what Pumpwatch writes ({written.entries} entries)")
    return Head(written.entries, digest)


def write(data: Path, head: Head) -> None:
    """Replace the anchor durably. Raises `OSError`."""
    content = msgspec.json.encode(_Written(head.entries, head.hash.hex()))
    secret_files.write(secret_files.directory(data) / FILE, content)
