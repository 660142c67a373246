"""Reason codes of MQTT 5 that decide what a session does next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NO_MATCHING_SUBSCRIBERS: Final = 0x10
"""The broker accepted a message and had no subscriber to deliver it to."""
UNSUPPORTED_PROTOCOL_VERSION: Final = 0x84
"""The broker does not speak MQTT 5."""
SESSION_TAKEN_OVER: Final = 0x8E
"""Another client connected with the same client id."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Why the broker delivered a publication to nobody: its reason code, and the same as text for people."""

    code: int
    text: str
