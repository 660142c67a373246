"""Password lines of Mosquitto, computed in this process, and the passwords of simulated gateways."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

ITERATIONS: Final = 101
"""As `mosquitto_passwd` does. All passwords are random with 192 bits or more, so that more would add no safety."""
SALT_BYTES: Final = 12


def password_line(user: str, password: str, salt: bytes) -> str:
    """Return `user:hash` as Mosquitto 2 reads it: PBKDF2 with SHA-512. `salt` has `SALT_BYTES` random bytes."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"{user}:$7${ITERATIONS}${_base64(salt)}${_base64(digest)}"


def user_of(line: str) -> str:
    """Return the user of a password line."""
    return line.partition(":")[0]


def salt_of(line: str) -> bytes:
    """Return the salt of a password line, empty if it is of another kind."""
    match line.partition(":")[2].split("$"):
        case ["", "7", _, salt, _]:
            return base64.b64decode(salt)
    return b""


def derived_password(secret: bytes, gateway: str) -> str:
    """Return the password of a simulated gateway: an HMAC of its name under the secret of its fleet."""
    digest = hmac.digest(secret, f"gateway {gateway}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
