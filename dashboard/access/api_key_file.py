"""API keys of a data directory: names, roles and hashes in a file of their own, which the command line changes too."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from broker.store import secret_files
from dashboard.access.accounts import ROLES, AccessError, check_role, locked
from dashboard.access.sessions import session_secret

FILE: Final = "api-keys.json"
USES_FILE: Final = "api-key-uses.json"
FORMAT: Final = 1
PREFIX: Final = "pw_"
"""Begins every key, so that people, and programs that look for leaked secrets, recognize one."""
TOKEN: Final = re.compile(r"pw_[A-Za-z0-9_-]{43}", re.ASCII)
NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,40}", re.ASCII)
MAX_KEYS: Final = 200
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 365
DAY_MS: Final = 86_400_000


class ApiKey(msgspec.Struct, frozen=True):
    """A key: what it is called, its role, who made it (an account; "": the command line), and times in wall ms.

    `digest` is a keyed hash of the secret, which is kept nowhere.
    """

    id: str
    name: str
    role: str
    digest: str
    creator: str
    created: int
    expires: int


class _File(msgspec.Struct):
    format: int = FORMAT
    keys: Annotated[list[ApiKey], msgspec.Meta(max_length=MAX_KEYS)] = []


def digest_of(data: Path, token: str) -> str:
    """Return the hash by which a key is kept.

    A fast hash is enough: a key is 256 random bits, so nobody can try candidates as they try passwords, and every
    request computes it. It is keyed with the secret of the dashboard, so the file of keys alone is of no use.
    """
    return hmac.new(session_secret(data).encode(), b"api key " + token.encode(), hashlib.sha256).hexdigest()


def read_keys(data: Path) -> list[ApiKey]:
    """Return the keys, also expired ones, the oldest first. Raises `AccessError` if the file cannot be read."""
    path = secret_files.path(data) / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise AccessError(f"{path} cannot be read ({error}); remove it, then create the API keys again") from error
    if found.format != FORMAT:
        raise AccessError(f"{path} has format {found.format}; this version reads {FORMAT}: upgrade")
    return found.keys


def add_key(
    data: Path, name: str, role: str, days: int = DEFAULT_DAYS, *, at: int, creator: str = "", limit: str = "admin"
) -> tuple[ApiKey, str]:
    """Add a key that expires in some days; return it with its secret, which is not kept.

    Its role is at most `limit`, that of its creator; `at` is wall ms. Raises `AccessError` or `OSError`.
    """
    if not NAME.fullmatch(name):
        raise AccessError(f"invalid name {name[:40]!r}: use 1 to 40 letters, digits or _ . @ -")
    if ROLES.index(check_role(role)) > ROLES.index(limit):
        raise AccessError(f"the role {role} is above yours, which is {limit}; choose that or a lower one")
    if not 1 <= days <= MAX_DAYS:
        raise AccessError(f"{days} days are not allowed; a key is valid for 1 to {MAX_DAYS} days")
    token = PREFIX + secrets.token_urlsafe(32)
    made = ApiKey(secrets.token_hex(8), name, role, digest_of(data, token), creator, at, at + days * DAY_MS)
    data.mkdir(parents=True, exist_ok=True)
    with locked(data):
        known = read_keys(data)
        if any(one.name == name for one in known):
            raise AccessError(f"there is an API key {name!r} already; choose another name, or revoke that one first")
        if len(known) >= MAX_KEYS:
            raise AccessError(f"there are {MAX_KEYS} API keys, which is the limit; revoke one first")
        _write(data, [*known, made])
    return made, token


def revoke_key(data: Path, name: str) -> ApiKey:
    """Remove a key by its name; a running dashboard refuses it at once. Raises `AccessError` or `OSError`."""
    data.mkdir(parents=True, exist_ok=True)
    with locked(data):
        known = read_keys(data)
        found = next((one for one in known if one.name == name), None)
        if found is None:
            raise AccessError(f"there is no API key {name[:40]!r}; the keys are listed by: pumpwatch apikey list")
        _write(data, [one for one in known if one is not found])
    return found


def day(ms: int) -> str:
    """Return the day (UTC) of a wall time."""
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


def last_uses(data: Path) -> dict[str, int]:
    """Return when each key was used last (wall ms), by its id; a running dashboard writes it once a minute."""
    try:
        content = (secret_files.path(data) / USES_FILE).read_bytes()
        return msgspec.json.decode(content, type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def write_uses(data: Path, uses: dict[str, int]) -> None:
    """Keep when each key was used last. Raises `OSError`."""
    secret_files.write(secret_files.directory(data) / USES_FILE, msgspec.json.encode(uses))


def _write(data: Path, keys: list[ApiKey]) -> None:
    secret_files.write(secret_files.directory(data) / FILE, msgspec.json.encode(_File(keys=keys)))
