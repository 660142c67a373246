"""Has a running Mosquitto read its files again when they change."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Final

from broker.mqtt.mosquitto_config import Access

RELOAD_INTERVAL_S: Final = 0.5
RELOADED: Final = {".passwd", ".acl", ".pem"}
"""Files that Mosquitto reads again."""


async def reload_on_change(process: asyncio.subprocess.Process, access: Access | None) -> None:
    """Have Mosquitto read passwords, access and certificates again when they change; it disconnects who was removed."""
    if access is None:
        return
    seen = _stamps(access.directory)
    while True:
        await asyncio.sleep(RELOAD_INTERVAL_S)
        if (now := _stamps(access.directory)) != seen:
            seen = now
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)


def _stamps(directory: Path) -> list[tuple[str, int, int]]:
    found = []
    for path in sorted(directory.glob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.suffix in RELOADED:
                facts = path.stat()
                found.append((path.name, facts.st_mtime_ns, facts.st_ino))
    return found
