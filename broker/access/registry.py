"""Registry of the gateways that were added by hand, and of the certificates that were revoked."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_GATEWAYS: Final = 100_000
"""Gateways that may be added by hand; Mosquitto keeps them all in memory."""


class Gateway(msgspec.Struct, frozen=True):
    """A gateway that was added: its name, when (wall ms), its password line or the certificate that it has instead."""

    name: str
    added: int
    line: str = ""
    serial: str = ""
    expires: int = 0


class Registry(msgspec.Struct, frozen=True):
    """Gateways that were added, and serial numbers of the certificates that were revoked."""

    gateways: tuple[Gateway, ...] = ()
    revoked: tuple[str, ...] = ()
