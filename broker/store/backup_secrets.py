"""Secrets in a backup: sealed with a passphrase by scrypt and AES-256-GCM, and bound to the rest of the backup."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MIN_PASSPHRASE: Final = 12
MAX_PASSPHRASE: Final = 1_000
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
MAGIC: Final = b"pumpwatch-secrets-1\n"
COST: Final = 2**17
"""scrypt with 128 MiB (r=8, p=1): OWASP Password Storage Cheat Sheet, section scrypt."""


class PassphraseError(Exception):
    """The passphrase cannot be used or is wrong; the text says what is allowed."""


def check_passphrase(passphrase: str) -> None:
    """Raise `PassphraseError` unless a passphrase is long enough."""
    if not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        raise PassphraseError(
            f"the passphrase has {len(passphrase):,} characters; use {MIN_PASSPHRASE} to {MAX_PASSPHRASE:,}"
        )


def seal(content: bytes, passphrase: str, bound_to: bytes, cost: int = COST) -> bytes:
    """Return the content sealed with a passphrase; it opens only together with what it is bound to."""
    check_passphrase(passphrase)
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    head = MAGIC + cost.bit_length().to_bytes(1, "big") + salt + nonce
    return head + AESGCM(_key(passphrase, salt, cost)).encrypt(nonce, content, head + bound_to)


def unseal(sealed: bytes, passphrase: str, bound_to: bytes) -> bytes:
    """Return what was sealed; raises `PassphraseError` if passphrase, sealed content or the rest was another."""
    size = len(MAGIC) + 1 + SALT_BYTES + NONCE_BYTES
    head, body = sealed[:size], sealed[size:]
    cost = 1 << (head[len(MAGIC)] - 1) if len(head) == size and head[len(MAGIC)] else 0
    # What is not trusted chooses no cost that would take the memory of this machine.
    if not head.startswith(MAGIC) or not 2 <= cost <= COST:
        raise PassphraseError("the sealed secrets are not what this version of Pumpwatch writes")
    salt, nonce = head[-SALT_BYTES - NONCE_BYTES : -NONCE_BYTES], head[-NONCE_BYTES:]
    try:
        return AESGCM(_key(passphrase, salt, cost)).decrypt(nonce, body, head + bound_to)
    except InvalidTag:
        raise PassphraseError("the passphrase is wrong, or the backup was altered; nothing was restored") from None


def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase.encode())
