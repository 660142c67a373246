"""Second factor: time-based codes (TOTP, RFC 6238), each valid once, and recovery codes for a lost device."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import re
import secrets
import sqlite3
from pathlib import Path
from typing import Final

import pyotp
import segno

from broker.store import secret_files

LOG: Final = logging.getLogger("dashboard")
ISSUER: Final = "Pumpwatch"
STEP_S: Final = 30
TOLERANCE: Final = 1
"""Steps that the clock of a person's device may be off, either way."""
RECOVERY_CODES: Final = 10
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_CODE: Final = re.compile(r"\d{6}")
FILE: Final = "second-factor.sqlite"
MAX_NAMES: Final = 10_000


def new_secret() -> str:
    """Return a new secret in base32, 160 bits."""
    return pyotp.random_base32()


def uri(secret: str, name: str) -> str:
    """Return the address that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def qr_code(text: str) -> str:
    """Return a QR code as the data URI of an SVG picture."""
    return str(segno.make(text).svg_data_uri(scale=4, light="#fff"))


def matching_step(secret: str, code: str, now_ms: int) -> int | None:
    """Return the time step whose code this is, None if it is that of none around now."""
    digits = re.sub(r"\s", "", code)
    if not _CODE.fullmatch(digits):
        return None
    totp, now = pyotp.TOTP(secret, interval=STEP_S), now_ms // 1000 // STEP_S
    steps = range(now - TOLERANCE, now + TOLERANCE + 1)
    found = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), digits)]
    return found[-1] if found else None


def recovery_codes() -> tuple[list[str], tuple[str, ...]]:
    """Return new recovery codes for the person to keep, and the hashes to store."""
    codes = ["-".join(_word() for _ in range(3)) for _ in range(RECOVERY_CODES)]
    return codes, tuple(map(recovery_hash, codes))


def recovery_hash(code: str) -> str:
    """Return the hash of a recovery code, however its letters were typed; 74 random bits need no slow hash."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode()).hexdigest()


def _word() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


class UsedCodes:
    """The last time step that each account used, also across restarts: no code is accepted twice."""

    def __init__(self, data: Path) -> None:
        """Keep them among the secrets of a data directory."""
        self._path = secret_files.directory(data) / FILE
        self._steps: dict[str, int] = {}

    def use(self, name: str, step: int) -> bool:
        """Return whether the step is later than the last that was used, and remember it; from any thread.

        A disk that refuses is logged; until a restart the code is refused all the same.
        """
        if step <= max(self._steps.get(name, -1), self._stored(name)):
            return False
        self._steps[name] = step
        if len(self._steps) > MAX_NAMES:
            del self._steps[next(iter(self._steps))]
        try:
            with contextlib.closing(_connect(self._path)) as connection, connection:
                connection.execute("INSERT OR REPLACE INTO used VALUES (?, ?)", (name, step))
        except (sqlite3.Error, OSError) as error:
            LOG.warning("The code that %s used is not stored: %s", name, error)
        return True

    def _stored(self, name: str) -> int:
        try:
            with contextlib.closing(_connect(self._path)) as connection:
                row = connection.execute("SELECT step FROM used WHERE name = ?", (name,)).fetchone()
        except (sqlite3.Error, OSError) as error:
            LOG.warning("The codes that were used cannot be read: %s", error)
            return -1
        return int(row[0]) if row else -1


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=secret_files.FILE_MODE)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS used (name TEXT PRIMARY KEY, step INTEGER NOT NULL)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
