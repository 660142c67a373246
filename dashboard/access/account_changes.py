"""Changes of accounts by administrators and by their owners: role, password, state, second factor, removal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dashboard.access.accounts import (
    AccessError,
    Account,
    check_role,
    checked_hash,
    locked,
    new_generation,
    read_accounts,
    write_accounts,
)

Change = Callable[[Account], Account | None]


class LastAdminError(AccessError):
    """The change would leave nobody who can manage accounts."""


def change(data: Path, name: str, changed: Change, *, at: int, keep_admin: bool = False) -> Account | None:
    """Apply `changed` to an account under the lock and return the result; None removes the account.

    `changed` may raise `AccessError`. With `keep_admin`, the last admin who can sign in stays one (`LastAdminError`).
    Raises `AccessError` if there is no such account.
    """
    data.mkdir(parents=True, exist_ok=True)
    with locked(data):
        accounts = read_accounts(data)
        known = accounts.get(name)
        if known is None:
            raise AccessError(f"there is no account {name[:40]!r}; the accounts are listed by: pumpwatch user list")
        found = changed(known)
        result = None if found is None else replace(found, changed_at=at)
        after = {
            **{other: one for other, one in accounts.items() if other != name},
            **({name: result} if result else {}),
        }
        if keep_admin and admins(accounts) and not admins(after):
            raise LastAdminError(f"{name} is the only admin who can sign in; make another account admin first")
        write_accounts(data, after)
    return result


def admins(accounts: dict[str, Account]) -> list[str]:
    """Return the names of the admins who can sign in."""
    return [account.name for account in accounts.values() if account.role == "admin" and not account.disabled]


def role(new: str) -> Change:
    """Return the change to another role; it ends the sessions of the account. Raises `AccessError`."""
    checked = check_role(new)
    return lambda known: known if known.role == checked else replace(known, role=checked, generation=new_generation())


def password(new: str, generation: int | None = None) -> Change:
    """Return the change to another password, which ends the account's sessions.

    A session that was moved to the new `generation` beforehand continues; None chooses one at random.
    """
    hashed = checked_hash(new)
    return lambda known: replace(known, hash=hashed, generation=generation or new_generation())


def disabled(state: bool) -> Change:
    """Return the change that disables an account, which ends its sessions, or enables it again."""
    return lambda known: replace(known, disabled=state, generation=new_generation())


def ended(known: Account) -> Account:
    """Change no more than the generation: it ends the sessions of the account."""
    return replace(known, generation=new_generation())


def removed(_known: Account) -> None:
    """Remove the account, and with it its sessions."""


def without_second_factor(known: Account) -> Account:
    """Remove the second factor and the recovery codes; it ends the sessions of the account."""
    return replace(known, totp="", recovery=(), generation=new_generation())


def with_second_factor(secret: str, recovery: tuple[str, ...], generation: int) -> Change:
    """Return the change that turns the second factor on; it ends sessions as a new password does."""
    return lambda known: replace(known, totp=secret, recovery=recovery, generation=generation)


def recovery_used(code_hash: str) -> Change:
    """Return the change that uses up a recovery code; it raises `AccessError` if there is no such code."""

    def use(known: Account) -> Account:
        if code_hash not in known.recovery:
            raise AccessError("this is no unused recovery code")
        return replace(known, recovery=tuple(one for one in known.recovery if one != code_hash))

    return use
