"""Secrets of a data directory as one sealed piece, settings without theirs, and the passphrase that seals them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
import typer

from broker.store import secret_files
from broker.store.backup_archive import MAX_SECRETS_BYTES, BackupError
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import SECRETS

LEFT_OUT: Final = ("*.lock", "lock", "sessions.sqlite*", "second-factor.sqlite*", "*.new")
"""Files among the secrets that belong to this run: people sign in again after a restore."""
NOT_KEPT: Final = frozenset({"data", "secrets"})
"""Settings that name the directories of the system that was backed up."""


class Sealed(msgspec.Struct, frozen=True):
    """What is sealed: files by their names below the directory of the secrets, and settings with secrets."""

    files: dict[str, bytes]
    settings: dict[str, Any]


def collect(data: Path) -> dict[str, bytes]:
    """Return the secrets of a data directory by name; raises `BackupError` or `OSError`."""
    top, found, total = secret_files.path(data), {}, 0
    for folder, _, names in os.walk(top.resolve()):
        for name in sorted(names):
            path = Path(folder, name)
            if any(fnmatch(name, pattern) for pattern in LEFT_OUT) or not path.is_file():
                continue
            found[path.relative_to(top.resolve()).as_posix()] = content = path.read_bytes()
            total += len(content)
            if total > MAX_SECRETS_BYTES // 2:
                raise BackupError(f"{top} has more than {MAX_SECRETS_BYTES // 2:,} bytes; it contains other files too")
    return found


def put_back(data: Path, files: Mapping[str, bytes]) -> None:
    """Write secrets into the directory of the secrets; raises `BackupError` for a name that leads out of it."""
    top = secret_files.directory(data)
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.as_posix() != name or not name.isprintable():
            raise BackupError(f"the secrets contain {name[:80]!a}, which no backup of Pumpwatch does")
    for name, content in files.items():
        parent = (top / name).parent
        parent.mkdir(parents=True, exist_ok=True, mode=secret_files.DIRECTORY_MODE)
        secret_files.write(top / name, content)


def without_secrets(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings to keep in the open, and those with secrets."""
    kept = {name: value for name, value in settings.items() if name not in NOT_KEPT}
    secret = {name: value for name, value in kept.items() if name in SECRETS}
    return {name: value for name, value in kept.items() if name not in secret}, secret


def toml(settings: Mapping[str, Any]) -> str:
    """Return settings as a settings file."""
    # What JSON writes for texts, numbers, truth values and lists of them is TOML as well.
    lines = (f"{name.replace('_', '-')} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items())
    return "".join(f"{line}\n" for line in lines)


def passphrase_of(file: Path | None, *, confirm: bool) -> str:
    """Return the first line of a file or, without one, what a person types without echo. Raises `CommandError`."""
    if file is not None:
        try:
            return file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read the passphrase from {file}: {error}") from error
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask for the passphrase; give it with --passphrase-file FILE")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def sealing(content: Sealed, passphrase: str) -> Callable[[bytes], bytes]:
    """Return a function that seals this content, bound to what it is given."""
    from broker.store import backup_secrets

    written = msgspec.json.encode(content)
    return lambda bound_to: backup_secrets.seal(written, passphrase, bound_to)
