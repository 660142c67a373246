"""Secrets of an installation: keys, passwords and accounts in a directory of their own, for their owner alone."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from broker.store import durable_write

DIRECTORY: Final = "secrets"
"""Inside the data directory: a directory, or a symbolic link to one elsewhere (`place`)."""
DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
OTHERS: Final = 0o077
"""Rights of group and others."""


class SecretsError(OSError):
    """The secrets are not safe where they are; the text says what to do."""


def path(data: Path) -> Path:
    """Return the directory of the secrets of a data directory, which may not exist yet."""
    return data / DIRECTORY


def directory(data: Path) -> Path:
    """Return the directory of the secrets of a data directory, created with mode 0700 if it is missing.

    Raises `SecretsError` if others may read it and this cannot be changed.
    """
    secrets = path(data)
    try:
        secrets.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    except FileExistsError:
        raise SecretsError(
            f"{secrets} is no directory, or a link to one that is gone; remove it, or name the directory of the "
            "secrets with --secrets"
        ) from None
    _tighten(secrets)
    return secrets


def place(data: Path, elsewhere: Path) -> None:
    """Keep the secrets of a data directory in another directory, to which `data/secrets` becomes a link.

    Every later command and part finds them by this link. Raises `SecretsError` if there are secrets in the data
    directory already.
    """
    link, target = path(data), elsewhere.absolute()
    data.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    target.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    _tighten(target)
    if link.exists() and link.samefile(target):
        return
    if link.is_dir() and not link.is_symlink():
        if any(link.iterdir()):
            raise SecretsError(f"{link} contains secrets already; move its files to {target}, and start again")
        link.rmdir()
    fresh = link.with_name(f".{DIRECTORY}.{os.getpid()}{durable_write.ASIDE}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target, target_is_directory=True)
    fresh.replace(link)


def write(path: Path, content: bytes) -> None:
    """Replace a file durably, with mode 0600 whatever the umask; raises `OSError`."""

    def fill(fresh: Path) -> None:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    durable_write.replace(path, fill)


def _tighten(secrets: Path) -> None:
    if not stat.S_IMODE(secrets.stat().st_mode) & OTHERS:
        return
    # What counts is the result: some file systems refuse, others ignore it.
    with contextlib.suppress(OSError):
        secrets.chmod(DIRECTORY_MODE)
    mode = stat.S_IMODE(secrets.stat().st_mode)
    if mode & OTHERS:
        raise SecretsError(
            f"other users can read the secrets in {secrets} (mode {mode:04o}), and this cannot be changed; make it a "
            "directory of the user that runs Pumpwatch, or name another with --secrets"
        )
