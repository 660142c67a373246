"""Where the accounts of the dashboard are, and whether anybody can sign in with them: for every part to tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from broker.store import secret_files

FILE: Final = "accounts.json"
MARKER: Final = "accounts.required"
"""File beside the accounts that says that there were some: from then on the shared key is not valid."""
BY_PROVIDER: Final = b"identity provider"
"""Content of the marker if only an identity provider has signed people in: then no accounts need be there."""


def path(data: Path) -> Path:
    """Return the file of the accounts of a data directory."""
    return data / secret_files.DIRECTORY / FILE


def marker(data: Path) -> Path:
    """Return the file that says that there were accounts."""
    return data / secret_files.DIRECTORY / MARKER


def required(data: Path) -> bool:
    """Return whether accounts exist or have existed, so that the shared key is not valid."""
    return any(file.exists() for file in (marker(data), path(data), data / FILE))


def unusable(data: Path) -> str:
    """Return why nobody can sign in although there were accounts, as a sentence with what to do; empty if none.

    Reads two small files; `FILE` in the data directory itself is that of an earlier version, which the dashboard moves.
    """
    try:
        if (data / FILE).exists() or not required(data) or marker(data).read_bytes() == BY_PROVIDER:
            return ""
    except OSError:
        pass  # there is no marker, but there are accounts: what they are like decides
    try:
        if json.loads(path(data).read_bytes())["accounts"]:
            return ""
        what = "names nobody"
    except FileNotFoundError:
        what = "is missing"
    except (OSError, ValueError, TypeError, KeyError) as error:
        what = f"cannot be read ({error})"
    return (
        f"nobody can sign in: there were accounts, but {path(data)} {what}; restore it from a backup, or remove it and "
        "add an account with: pumpwatch user add NAME --role admin"
    )
