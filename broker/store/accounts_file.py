"""File of the dashboard's accounts, as far as other parts look at it: whether it can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from broker.store import secret_files

FILE: Final = "accounts.json"


class _Accounts(msgspec.Struct):
    """What every format of the file has."""

    accounts: list[dict[str, Any]]


def find(data: Path) -> Path | None:
    """Return the file of a data directory, None if there is none; earlier versions kept it beside the data."""
    return next((path for path in (secret_files.path(data) / FILE, data / FILE) if path.exists()), None)


def problem(path: Path) -> str | None:
    """Return why the accounts cannot be read, as a sentence without its period; None if they can."""
    try:
        msgspec.json.decode(path.read_bytes(), type=_Accounts)
    except (OSError, msgspec.DecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return f"{path} cannot be read ({reason}); restore it from a backup"
    return None
