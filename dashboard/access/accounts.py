"""This file is who may open the dashboard and as what: accounts with scrypt hashes, and what each role may do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "accounts.json"
ROLES: Final = ("viewer", "staff", "engineer")
RIGHTS: Final = {
    "viewer": frozenset(),
    "staff": frozenset({"acknowledge"}),
    "engineer": frozenset({"acknowledge", "service", "inject", "program"}),
}
NAME: Final = re.compile(r"[\w.@-]{1,40}")
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 200
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
"""16 MB and some 50 ms a try: OWASP's password storage sheet lists n=2^14, r=8 among its scrypt settings."""


class AccessError(Exception):
    """The dashboard would be open to people it should not be open to; the text says what to do."""


@dataclass(frozen=True)
class Account:
    """A person: their role and the salted hash of their password."""

    name: str
    role: str
    salt: str
    digest: str


@dataclass(frozen=True)
class Visitor:
    """Who is looking at a page."""

    name: str
    role: str

    def may(self, right: str) -> bool:
        """Say whether this visitor may `acknowledge`, take out of `service`, `inject` or `program`."""
        return right in RIGHTS.get(self.role, frozenset())


NOBODY: Final = Visitor("", "")
VISITOR: Final[ContextVar[Visitor]] = ContextVar("visitor", default=NOBODY)
"""Set for each request by the access middleware; without it nobody may do anything."""


def add_account(data: Path, name: str, role: str, password: str) -> None:
    """Add an account, or give the one of that name a new role and password. Raises `AccessError`."""
    if not NAME.fullmatch(name):
        raise AccessError(f"{name[:40]!r} cannot be a name: 1 to 40 of letters, digits and _ . @ -")
    if role not in ROLES:
        raise AccessError(f"there is no role {role[:40]!r}; the roles are {', '.join(ROLES)}")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccessError(f"the password has {len(password)} characters; allowed are {MIN_PASSWORD} to {MAX_PASSWORD}")
    salt = secrets.token_bytes(16)
    account = Account(name, role, _text(salt), _text(_hash(password, salt)))
    accounts = {**read_accounts(data), name: account}
    rows = [{"name": one.name, "role": one.role, "salt": one.salt, "digest": one.digest} for one in accounts.values()]
    _write_private(data / FILE, json.dumps({"accounts": rows}, indent=2).encode())


def read_accounts(data: Path) -> dict[str, Account]:
    """Return the accounts by name; none where no file is. Raises `AccessError` for a file that cannot be read."""
    try:
        rows = json.loads((data / FILE).read_bytes())["accounts"]
        accounts = [Account(str(row["name"]), str(row["role"]), str(row["salt"]), str(row["digest"])) for row in rows]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AccessError(
            f"{data / FILE} cannot be read ({error}); restore it, or remove it and add the accounts anew"
        ) from error
    return {account.name: account for account in accounts if account.role in ROLES}


def verify(account: Account | None, password: str) -> bool:
    """Say whether the password is right; takes as long where there is no such account."""
    salt = base64.b64decode(account.salt) if account else b"nobody has this "
    found = _text(_hash(password[:MAX_PASSWORD], salt))
    return hmac.compare_digest(found, account.digest if account else "") and account is not None


def session_secret(data: Path) -> str:
    """Return what sign-ins are signed with; made up once and kept, so that a restart signs nobody out."""
    path = data / "dashboard.secret"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text().strip()


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
