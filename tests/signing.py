"""A key for tests, what it signs, and who verifies it."""

from __future__ import annotations

import msgspec

from broker.contract.signed import Keys, Signer, Verifier

SIGNER = Signer(bytes(range(32)))
STRANGER = Signer(bytes(range(1, 33)))
"""A key that nobody here knows."""


def keys() -> Keys:
    return Keys([SIGNER.public])


def verifier(since: int = 0) -> Verifier:
    """A verifier that knows the key of the tests."""
    return Verifier(keys, since)


def signed(topic: str, message: msgspec.Struct, signer: Signer = SIGNER) -> bytes:
    """The message as dashboard and command line send it."""
    return signer.sign(topic, msgspec.json.encode(message))
