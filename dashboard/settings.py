"""Settings of the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Broker, data directory and address to serve at.

    `broker` is the broker's URL, `data` the directory that the processor writes to. `key` is the shared key, valid
    while there are no accounts; if empty, one is generated at startup.
    """

    broker: str
    data: Path
    host: str = "127.0.0.1"
    port: int = 8050
    key: str = ""

    @property
    def snapshots(self) -> Path:
        """Directory of the snapshots."""
        return self.data / "snapshot"
