"""Chain of the journal: which columns each format's hash covers, and the key without which none can be made.

From format 4 on the hash is an HMAC-SHA256 with a key that is among the secrets: who can write the journal but has no
key cannot make an entry that fits. The first such entry covers the hash of the one before, and with it all older ones.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.store import secret_files

FORMAT: Final = 4
"""1 had a table of alarms alone and no chain, 2 no `subject`, `subject_kind` and `cause`, 3 no key and no `origin`."""
KEYED: Final = 4
"""The first format whose hash is made with the key."""
BEGINNING: Final = bytes(32)
"""What the first entry has in place of the hash of the one before."""
KEY_FILE: Final = "journal.key"
KEY_BYTES: Final = 32
_OF_FORMAT_2: Final = (
    *("id", "at", "time", "kind", "pump", "rule", "title", "priority", "alarm", "who", "text", "action"),
    *("pumps", "once"),
)
ADDED: Final[Mapping[int, tuple[str, ...]]] = {3: ("subject", "subject_kind", "cause"), 4: ("origin",)}
"""Columns by the format that added them; they are null in entries of older formats."""
LATER: Final = tuple(name for names in ADDED.values() for name in names)
CHAINED: Final[Mapping[int, tuple[str, ...]]] = {
    2: _OF_FORMAT_2,
    3: (*_OF_FORMAT_2, *ADDED[3], "format"),
    4: (*_OF_FORMAT_2, *ADDED[3], "format", *ADDED[4]),
}
"""The columns of which the hash of an entry is made, in order, by the format in which it was written."""


@dataclass(frozen=True)
class Head:
    """End of the chain: the number of entries, and the hash of the last."""

    entries: int = 0
    hash: bytes = BEGINNING


def chain_hash(before: bytes, row: Mapping[str, Any], key: bytes) -> bytes:
    """Return the hash of an entry, given the hash of the one before; `row` has the columns that its format chains."""
    content = before + msgspec.json.encode([row[name] for name in CHAINED[row["format"]]])
    return hmac.digest(key, content, "sha256") if row["format"] >= KEYED else sha256(content).digest()


def is_intact(before: bytes, row: Mapping[str, Any], key: bytes) -> bool:
    """Tell whether an entry has the hash that follows from its columns, and nothing in those that it does not cover."""
    covered = CHAINED.get(row["format"])
    if covered is None or any(row[name] is not None for name in LATER if name not in covered):
        return False
    return hmac.compare_digest(chain_hash(before, row, key), row["hash"])


def key_path(data: Path) -> Path:
    """Return the file of the key of a data directory's journal."""
    return secret_files.path(data) / KEY_FILE


def read_key(data: Path) -> bytes | None:
    """Return the key, None if there is none. Raises `OSError` if it cannot be read or has the wrong length."""
    try:
        key = key_path(data).read_bytes()
    except FileNotFoundError:
        return None
    if len(key) != KEY_BYTES:
        raise OSError(f"{key_path(data)} has {len(key)} bytes instead of {KEY_BYTES}; restore it from a backup")
    return key


def make_key(data: Path) -> bytes:
    """Write a new key and return it. Raises `OSError`."""
    key = secrets.token_bytes(KEY_BYTES)
    secret_files.write(secret_files.directory(data) / KEY_FILE, key)
    return key
