"""Accounts, roles and rights: who may open the dashboard, and what each role may do."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from starlette.authentication import BaseUser

from dashboard.access.passwords import MAX_PASSWORD, MIN_PASSWORD, hash_password, scrypt_hash

FILE: Final = "accounts.json"
ROLES: Final = ("viewer", "staff", "engineer")
RIGHTS: Final = {
    "viewer": frozenset(),
    "staff": frozenset({"acknowledge"}),
    "engineer": frozenset({"acknowledge", "service", "inject", "program"}),
}
NAME: Final = re.compile(r"[\w.@-]{1,40}")
FORMAT: Final = 2
"""Of the file. Format 1 had no number; its accounts have `salt` and `digest` (scrypt) instead of `hash`."""


class AccessError(Exception):
    """Accounts are missing, invalid or unreadable; the text says what to do."""


@dataclass(frozen=True)
class Account:
    """A person: name, role and the hash of the password as a PHC string."""

    name: str
    role: str
    hash: str


@dataclass(frozen=True)
class Visitor(BaseUser):
    """The person who sent a request, as Starlette's `request.user` and as `VISITOR` in callbacks."""

    name: str
    role: str

    def may(self, right: str) -> bool:
        """Return whether this visitor may `acknowledge`, take out of `service`, `inject` or `program`."""
        return right in RIGHTS.get(self.role, frozenset())

    @property
    def is_authenticated(self) -> bool:
        """Whether the visitor is signed in."""
        return self.role in ROLES

    @property
    def display_name(self) -> str:
        """The name to show."""
        return self.name

    @property
    def identity(self) -> str:
        """The name, which is unique."""
        return self.name


NOBODY: Final = Visitor("", "")
VISITOR: Final[ContextVar[Visitor]] = ContextVar("visitor", default=NOBODY)
"""Set for each request by the access middleware; the default has no rights."""


def add_account(data: Path, name: str, role: str, password: str) -> None:
    """Add an account, or give an existing one a new role and password. Raises `AccessError`."""
    if not NAME.fullmatch(name):
        raise AccessError(f"invalid name {name[:40]!r}: use 1 to 40 letters, digits or _ . @ -")
    if role not in ROLES:
        raise AccessError(f"unknown role {role[:40]!r}: use one of {', '.join(ROLES)}")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccessError(f"the password has {len(password)} characters; use {MIN_PASSWORD} to {MAX_PASSWORD}")
    account = Account(name, role, hash_password(password))
    data.mkdir(parents=True, exist_ok=True)
    with _locked(data):
        _write(data, {**read_accounts(data), name: account})


def replace_hash(data: Path, account: Account, password_hash: str) -> None:
    """Store a new hash of the same password, unless the account was changed or removed in the meantime."""
    with _locked(data):
        accounts = read_accounts(data)
        if accounts.get(account.name) == account:
            _write(data, {**accounts, account.name: replace(account, hash=password_hash)})


def read_accounts(data: Path) -> dict[str, Account]:
    """Return the accounts by name, none if there is no file. Raises `AccessError` if the file cannot be read."""
    path = data / FILE
    try:
        content = json.loads(path.read_bytes())
        if content.get("format", 1) not in (1, FORMAT):
            raise AccessError(f"{path} has format {content['format']}; this version reads up to {FORMAT}: upgrade")
        accounts = [_account(row) for row in content["accounts"]]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise AccessError(
            f"{path} cannot be read ({error}); restore it, or remove it and add the accounts again"
        ) from error
    return {account.name: account for account in accounts if account.role in ROLES}


def _account(row: dict[str, Any]) -> Account:
    """Return the account of a row of either format."""
    stored = row["hash"] if "hash" in row else scrypt_hash(str(row["salt"]), str(row["digest"]))
    return Account(str(row["name"]), str(row["role"]), str(stored))


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Let one writer at a time read and replace the accounts: `pumpwatch user add`, or the dashboard at a sign-in."""
    directory = os.open(data, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _write(data: Path, accounts: dict[str, Account]) -> None:
    content = {"format": FORMAT, "accounts": [asdict(account) for account in accounts.values()]}
    _write_private(data / FILE, json.dumps(content, indent=2).encode())


def session_secret(data: Path) -> str:
    """Return the secret that signs session cookies; generated once and kept, so that sign-ins survive a restart."""
    path = data / "dashboard.secret"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text().strip()


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
