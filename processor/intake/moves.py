"""Moves of pumps between gateways, into retirement and back, as the registry reports them to the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Move:
    """A pump that moved to another gateway, was retired or is back, and why."""

    serial: str
    gateway: str
    kind: Literal["moved", "retired", "reinstated"]
    why: str
    who: str | None = None
