"""Password hashes: argon2id for new ones, scrypt for those of earlier versions until their owner signs in again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 200
"""Lengths in characters."""

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""argon2id with 19 MiB, two passes, one lane: OWASP Password Storage Cheat Sheet, section Argon2id."""
_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1}
_SCRYPT_PREFIX: Final = "$scrypt$ln=14,r=8,p=1$"
"""What earlier versions used. OWASP asks for p=5 with n=2^14, so these hashes are replaced."""


def hash_password(password: str) -> str:
    """Return the salted argon2id hash as a PHC string."""
    return HASHER.hash(password)


_UNKNOWN: Final = hash_password(secrets.token_hex())
"""Verified for names without an account, so that the time to answer does not tell which names exist."""


def scrypt_hash(salt: str, digest: str) -> str:
    """Return the PHC string of a scrypt hash that was stored as base64 `salt` and `digest`."""
    return f"{_SCRYPT_PREFIX}{salt.rstrip('=')}${digest.rstrip('=')}"


def verify_password(stored: str | None, password: str) -> bool:
    """Return whether the password has this hash; None (no account) takes as long as an argon2id hash.

    A hash that cannot be parsed matches no password.
    """
    text = password[:MAX_PASSWORD]
    try:
        if stored is not None and stored.startswith(_SCRYPT_PREFIX):
            return _verify_scrypt(stored, text)
        return HASHER.verify(stored or _UNKNOWN, text) and stored is not None
    except (VerificationError, InvalidHashError, ValueError):
        return False


def needs_rehash(stored: str) -> bool:
    """Return whether the hash was made by another algorithm or with other parameters than new ones."""
    return stored.startswith(_SCRYPT_PREFIX) or HASHER.check_needs_rehash(stored)


def _verify_scrypt(stored: str, password: str) -> bool:
    salt, _, digest = stored.removeprefix(_SCRYPT_PREFIX).partition("$")
    found = hashlib.scrypt(password.encode(), salt=_decode(salt), **_SCRYPT)
    return hmac.compare_digest(found, _decode(digest))


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
