"""File of the dashboard's accounts, as far as other parts look at it: whether it can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from broker.store import secret_files

FILE: Final = "accounts.json"
REQUIRED: Final = "accounts.required"
"""File beside it that says that there were accounts."""


class _Accounts(msgspec.Struct):
    """What every format of the file has."""

    accounts: list[dict[str, Any]]


def problem(data: Path) -> str | None:
    """Return why the accounts of a data directory cannot be read, as a sentence without its period.

    None if they can be read, or if there never were any. Earlier versions kept them beside the data.
    """
    secrets = secret_files.path(data)
    path = next((path for path in (secrets / FILE, data / FILE) if path.exists()), None)
    if path is None:
        return f"{secrets / FILE} is gone; restore it from a backup" if (secrets / REQUIRED).exists() else None
    try:
        msgspec.json.decode(path.read_bytes(), type=_Accounts)
    except (OSError, msgspec.DecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return f"{path} cannot be read ({reason}); restore it from a backup"
    return None
