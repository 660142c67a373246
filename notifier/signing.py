"""Signature of a webhook: HMAC-SHA256 of the time and the body, so that a receiver knows sender and age."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

TIMESTAMP: Final = "Pumpwatch-Timestamp"
SIGNATURE: Final = "Pumpwatch-Signature"
IDEMPOTENCY: Final = "Idempotency-Key"


def headers(secret: str, body: bytes, key: str, now: int) -> dict[str, str]:
    """Return the headers of a message: its time in seconds (from `now`, wall ms), signature and idempotency key."""
    at = str(now // 1000)
    digest = hmac.new(secret.encode(), at.encode() + b"." + body, sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        TIMESTAMP: at,
        SIGNATURE: f"v1={digest}",
        IDEMPOTENCY: key,
    }
