"""Password of a broker: read from a file that contains nothing else, and checked."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

MAX_PASSWORD_BYTES: Final = 65_535
"""Longest password that MQTT carries."""
_BOM: Final = "\ufeff"


class PasswordError(Exception):
    """A password cannot be used; the text says where it is from and why, and quotes nothing of it."""


def read_password(file: str) -> str:
    """Return the one line of a password file without its line break; raises `PasswordError`."""
    what = f"the password file {file}"
    try:
        if not stat.S_ISREG(Path(file).stat().st_mode):
            kind = "a directory" if Path(file).is_dir() else "no regular file"
            raise PasswordError(f"{what} is {kind}; name a file whose only line is the password")
        with Path(file).open("rb") as opened:
            found = opened.read(MAX_PASSWORD_BYTES + 6)  # With a byte order mark and a line break, and one too many.
    except (OSError, ValueError) as error:
        raise PasswordError(f"cannot read {what}: {getattr(error, 'strerror', None) or error}") from error
    try:
        text = found.decode()
    except UnicodeDecodeError:
        if len(found) > MAX_PASSWORD_BYTES:
            raise _too_long(what) from None
        raise PasswordError(f"{what} is not UTF-8; save it as UTF-8") from None
    return checked(text.removeprefix(_BOM).removesuffix("\n").removesuffix("\r"), what)


def checked(password: str, what: str) -> str:
    """Return the password if MQTT can carry it; else raise `PasswordError`. `what` says where it is from."""
    if not password:
        raise PasswordError(f"{what} is empty; write the password into it, or leave it out")
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise PasswordError(f"{what} is not UTF-8; write the password in UTF-8") from None
    if size > MAX_PASSWORD_BYTES:
        raise _too_long(what)
    if "\0" in password:
        raise PasswordError(f"{what} contains NUL characters; save it as UTF-8 text")
    if "\n" in password or "\r" in password:
        raise PasswordError(f"{what} has more than one line; only the password may be in it")
    return password


def is_public(file: str) -> bool:
    """Return whether every user of this machine may read the file."""
    try:
        return bool(Path(file).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _too_long(what: str) -> PasswordError:
    return PasswordError(f"{what} is too long; MQTT passwords have at most {MAX_PASSWORD_BYTES:,} bytes")
