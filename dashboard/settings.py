"""This file is what the dashboard is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where things are, and where to serve.

    `broker` is the broker's URL, `data` the directory that the processor writes to. `key` opens the dashboard as
    long as nobody has an account; empty means that one is made up at the start.
    """

    broker: str
    data: Path
    host: str = "127.0.0.1"
    port: int = 8050
    key: str = ""

    @property
    def snapshots(self) -> Path:
        """The directory of the snapshots."""
        return self.data / "snapshot"
