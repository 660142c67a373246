"""Accounts, roles and rights: who may open the dashboard, and what each role may do."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from starlette.authentication import BaseUser

from broker.store import secret_files
from dashboard.access.passwords import MAX_PASSWORD, MIN_PASSWORD, hash_password, scrypt_hash

FILE: Final = "accounts.json"
MARKER: Final = "accounts.required"
"""File beside the accounts that says that there were some: from then on the shared key is not valid."""
ROLES: Final = ("viewer", "operator", "engineer", "admin")
RIGHTS: Final = {
    "viewer": frozenset(),
    "operator": frozenset({"acknowledge"}),
    "engineer": frozenset({"acknowledge", "service", "inject", "program"}),
    "admin": frozenset({"acknowledge", "service", "inject", "program", "admin"}),
}
EARLIER_ROLES: Final = {"staff": "operator"}
NAME: Final = re.compile(r"[\w.@-]{1,40}")
FORMAT: Final = 3
"""Of the file. Format 1 had no number and `salt` and `digest` (scrypt) instead of `hash`; 2 had name, role and hash."""


class AccessError(Exception):
    """Accounts are missing, invalid or unreadable; the text says what to do."""


class MissingAccountsError(AccessError):
    """There were accounts, and their file is gone or names nobody."""


@dataclass(frozen=True)
class Account:
    """A person: name, role and the hash of the password as a PHC string.

    `totp` is the secret of the second factor in base32, empty if there is none; `recovery` are hashes of unused
    recovery codes. `changed_at` is wall ms, 0 if unknown. Sessions are valid for one `generation`, which changes with
    the password, the role, the second factor, and when the account is disabled.
    """

    name: str
    role: str
    hash: str = field(repr=False)
    disabled: bool = False
    totp: str = field(default="", repr=False)
    recovery: tuple[str, ...] = field(default=(), repr=False)
    changed_at: int = 0
    generation: int = 0


@dataclass(frozen=True)
class Visitor(BaseUser):
    """The person who sent a request, as Starlette's `request.user` and as `VISITOR` in callbacks.

    `session` is the digest that identifies the session, empty outside of one.
    """

    name: str
    role: str
    session: str = field(default="", compare=False, repr=False)

    def may(self, right: str) -> bool:
        """Return whether this visitor may `acknowledge`, take out of `service`, `inject`, `program`, or is `admin`."""
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


def accounts_path(data: Path) -> Path:
    """Return the file of the accounts of a data directory."""
    return data / secret_files.DIRECTORY / FILE


def required(data: Path) -> bool:
    """Return whether accounts exist or have existed, so that the shared key is not valid."""
    return any(path.exists() for path in (data / secret_files.DIRECTORY / MARKER, accounts_path(data), data / FILE))


def problem(data: Path) -> str:
    """Return why nobody can sign in although there were accounts, as a sentence with what to do; empty if none."""
    try:
        if not read_accounts(data) and required(data):
            raise missing(data)
    except AccessError as error:
        return str(error)
    return ""


def missing(data: Path) -> MissingAccountsError:
    """Return the error that says that the accounts are gone, and how to get back in."""
    return MissingAccountsError(
        f"nobody can sign in: there were accounts, but {accounts_path(data)} is missing or names nobody; restore it "
        "from a backup, or add an account with: pumpwatch user add NAME --role admin"
    )


def add_account(data: Path, name: str, role: str, password: str, *, at: int = 0) -> None:
    """Add an account, or give an existing one a new role and password; `at` is wall ms. Raises `AccessError`."""
    if not NAME.fullmatch(name):
        raise AccessError(f"invalid name {name[:40]!r}: use 1 to 40 letters, digits or _ . @ -")
    fresh = Account(name, check_role(role), checked_hash(password), changed_at=at, generation=new_generation())
    data.mkdir(parents=True, exist_ok=True)
    with locked(data):
        try:
            accounts = read_accounts(data)
        except MissingAccountsError:
            accounts = {}
        known = accounts.get(name, fresh)
        made = replace(fresh, disabled=known.disabled, totp=known.totp, recovery=known.recovery)
        write_accounts(data, {**accounts, name: made})


def check_role(role: str) -> str:
    """Return a role that exists; raises `AccessError`."""
    if role not in ROLES:
        raise AccessError(f"unknown role {role[:40]!r}: use one of {', '.join(ROLES)}")
    return role


def checked_hash(password: str) -> str:
    """Return the hash of a password of allowed length; raises `AccessError`."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccessError(f"the password has {len(password)} characters; use {MIN_PASSWORD} to {MAX_PASSWORD}")
    return hash_password(password)


def new_generation() -> int:
    """Return a generation that no session has."""
    return secrets.randbits(48) + 1


def replace_hash(data: Path, account: Account, password_hash: str) -> None:
    """Store a new hash of the same password, unless the account was changed or removed in the meantime."""
    with locked(data):
        accounts = read_accounts(data)
        if accounts.get(account.name) == account:
            write_accounts(data, {**accounts, account.name: replace(account, hash=password_hash)})


def read_accounts(data: Path) -> dict[str, Account]:
    """Return the accounts by name; none if there never were any.

    Moves the file of earlier versions into the directory of secrets. Raises `MissingAccountsError` if the file is gone,
    `AccessError` if it cannot be read or there are two.
    """
    path = accounts_path(data)
    try:
        _move_earlier(data)
        content = json.loads(path.read_bytes())
        if content.get("format", 1) not in (1, 2, FORMAT):
            raise AccessError(f"{path} has format {content['format']}; this version reads up to {FORMAT}: upgrade")
        accounts = [_account(row) for row in content["accounts"]]
    except FileNotFoundError as error:
        if required(data):
            raise missing(data) from error
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise AccessError(
            f"{path} cannot be read ({error}); restore it, or remove it and add the accounts again"
        ) from error
    return {account.name: account for account in accounts if account.role in ROLES}


def _account(row: dict[str, Any]) -> Account:
    """Return the account of a row of any format."""
    stored = row["hash"] if "hash" in row else scrypt_hash(str(row["salt"]), str(row["digest"]))
    role = str(row["role"])
    return Account(
        name=str(row["name"]),
        role=EARLIER_ROLES.get(role, role),
        hash=str(stored),
        disabled=bool(row.get("disabled")),
        totp=str(row.get("totp", "")),
        recovery=tuple(map(str, row.get("recovery", ()))),
        changed_at=int(row.get("changed_at", 0)),
        generation=int(row.get("generation") or int(hashlib.sha256(str(stored).encode()).hexdigest()[:12], 16)),
    )


def _move_earlier(data: Path) -> None:
    earlier, path = data / FILE, accounts_path(data)
    if not earlier.exists():
        return
    if path.exists():
        raise AccessError(f"{earlier} of an earlier version and {path} both exist; remove the one that is out of date")
    secret_files.directory(data)
    earlier.chmod(secret_files.FILE_MODE)
    with contextlib.suppress(FileNotFoundError):  # another process has just moved it
        earlier.rename(path)


@contextlib.contextmanager
def locked(data: Path) -> Iterator[None]:
    """Let one writer at a time read and replace the accounts: `pumpwatch user`, or the dashboard."""
    directory = os.open(data, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def write_accounts(data: Path, accounts: dict[str, Account]) -> None:
    """Replace the file; from now on the shared key is not valid. Only under `locked`."""
    directory = secret_files.directory(data)
    content = {"format": FORMAT, "accounts": [asdict(account) for account in accounts.values()]}
    if not (directory / MARKER).exists():
        secret_files.write(directory / MARKER, b"")
    secret_files.write(directory / FILE, json.dumps(content, indent=2).encode())
