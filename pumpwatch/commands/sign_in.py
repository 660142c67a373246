"""Sign-in of the command line: commands and actions bear the name of an account, and are signed.

Without accounts in the data directory they bear the name of the user of the operating system.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from pumpwatch.commands import audit_entries, options
from pumpwatch.commands.caller import now_ms, system_user
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import PREFIX, USER_PASSWORD_VARIABLE, environment

if TYPE_CHECKING:
    from dashboard.access.accounts import Account

ORIGIN: Final = "command line"
LOCAL: Final = "local:"
"""Before the name of a user of the operating system; no account has a colon in its name."""

User = Annotated[
    str | None,
    typer.Option(
        "--user",
        envvar=f"{PREFIX}USER",
        metavar="NAME",
        help="Account to sign in with, if there are accounts. Default: ask.",
        show_default=False,
    ),
]
UserPasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--user-password-file",
        envvar=f"{PREFIX}USER_PASSWORD_FILE",
        metavar="FILE",
        callback=options.path,
        help=f"File whose only line is the password of --user. Default: {USER_PASSWORD_VARIABLE} if set, else ask.",
        show_default=False,
    ),
]
OPTIONS: Final[dict[str, Any]] = {"user": User, "user_password_file": UserPasswordFile}


@dataclass(frozen=True)
class Operator:
    """The person who gives a command: `name` for the journal, and the data directory whose key signs."""

    name: str
    data: Path

    def sign(self, topic: str, payload: bytes) -> bytes:
        """Return the signed message for a topic; raises `CommandError` if the key cannot be used."""
        from broker.store import action_key

        try:
            return action_key.signer(self.data).sign(topic, payload)
        except (action_key.ActionKeyError, OSError) as error:
            raise CommandError(f"the command cannot be signed: {error}") from error


@dataclass(frozen=True)
class SignIn:
    """What the options of a command say about who gives it."""

    user: str | None = None
    password_file: Path | None = None

    def operator(self, data: Path, right: str, activity: str) -> Operator:
        """Return who gives the command; raises `CommandError` unless the person may do that `activity`.

        `right` is one of `dashboard.access.accounts.RIGHTS`. With accounts in `data`, name and password are verified,
        and asked for if there is a terminal. Who is refused is recorded in the audit trail.
        """
        from broker.store import account_files
        from dashboard.access.accounts import AccessError, Visitor, missing, read_accounts
        from dashboard.access.passwords import verify_password

        try:
            accounts = read_accounts(data)
            if not accounts and account_files.required(data):
                raise missing(data)
        except AccessError as error:
            raise CommandError(str(error)) from error
        if not accounts:
            if self.user:
                raise CommandError(f"there are no accounts in {data}, so nobody signs in; leave out --user")
            return Operator(f"{LOCAL}{system_user()}", data)
        name = self.user or _asked("Name", "--user", hide=False)
        account = accounts.get(name)
        known = None if account is None else account.hash
        if not verify_password(known, self._password()) or account is None or account.disabled:
            audit_entries.record_afterwards(
                data, "sign_in_failed", f"wrong name or password; tried to {activity}", name
            )
            raise CommandError("sign-in failed: wrong name or password")
        if account.totp and not _has_code(data, account):
            audit_entries.record_afterwards(data, "sign_in_failed", f"wrong code; tried to {activity}", name)
            raise CommandError("sign-in failed: wrong code, or used before")
        if not Visitor(account.name, account.role).may(right):
            audit_entries.record_afterwards(data, "denied", f"tried to {activity} as {account.role}", name)
            raise CommandError(f"{name} may not {activity}: the role {account.role} does not allow it")
        return Operator(account.name, data)

    def _password(self) -> str:
        from broker.mqtt.password import PasswordError, is_public, read_password

        if self.password_file is None:
            return environment().get(USER_PASSWORD_VARIABLE) or _asked("Password", "--user-password-file", hide=True)
        try:
            password = read_password(str(self.password_file))
        except PasswordError as error:
            raise CommandError(str(error)) from error
        if is_public(str(self.password_file)):
            path = self.password_file
            typer.echo(f"warning: every user of this machine can read the password file {path}; chmod 600 it", err=True)
        return password


def with_sign_in(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options to sign in, if it has a parameter `sign_in`, which they make up."""
    signature = inspect.signature(command)
    if "sign_in" not in signature.parameters:
        return command

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        sign_in = SignIn(values.pop("user"), values.pop("user_password_file"))
        command(**values, sign_in=sign_in)

    hints = {**get_type_hints(command, include_extras=True), **OPTIONS}
    del hints["sign_in"]
    kept = [each.replace(annotation=hints[name]) for name, each in signature.parameters.items() if name != "sign_in"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in OPTIONS.items()
    ]
    # Typer reads both; evaluated, because names in them are those of the module of the command.
    wrapped.__annotations__ = hints
    vars(wrapped)["__signature__"] = signature.replace(parameters=[*kept, *added], return_annotation=None)
    return wrapped


def _asked(what: str, option: str, *, hide: bool) -> str:
    if not sys.stdin.isatty():
        raise CommandError(f"this needs a sign-in, and there is no terminal to ask; give {option}")
    answer: str = typer.prompt(what, hide_input=hide, err=True)
    return answer


def _has_code(data: Path, account: Account) -> bool:
    """Ask for a code of the second factor, or a recovery code, and return whether it is right; it is then used up."""
    from dashboard.access import account_changes
    from dashboard.access.accounts import AccessError
    from dashboard.access.second_factor import UsedCodes, matching_step, recovery_hash

    if not sys.stdin.isatty():
        raise CommandError(f"{account.name} has a second factor, and there is no terminal to ask for the code")
    code: str = typer.prompt("Code", err=True)
    step = matching_step(account.totp, code, now_ms())
    if step is not None:
        return UsedCodes(data).use(account.name, step)
    try:
        account_changes.change(data, account.name, account_changes.recovery_used(recovery_hash(code)), at=now_ms())
    except AccessError:
        return False
    return True
