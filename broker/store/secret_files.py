"""Secrets of an installation: keys, passwords and accounts in a directory of their own, for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from broker.store import durable_write

DIRECTORY: Final = "secrets"
"""Inside the data directory, unless the setting `secrets` names another place."""
DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600


def directory(data: Path) -> Path:
    """Return the directory of the secrets of a data directory, created with mode 0700 if it is missing."""
    path = data / DIRECTORY
    path.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
    path.chmod(DIRECTORY_MODE)
    return path


def write(path: Path, content: bytes) -> None:
    """Replace a file durably, with mode 0600 whatever the umask; raises `OSError`."""

    def fill(fresh: Path) -> None:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    durable_write.replace(path, fill)
