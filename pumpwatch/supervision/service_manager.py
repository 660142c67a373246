"""Notifies systemd how far the system is: ready, in trouble, stopping, and alive (the protocol of sd_notify)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final, Self

VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What systemd puts into the environment of a unit of Type=notify."""
PINGS: Final = 3
"""Signs of life within the time after which systemd takes a unit for hung."""
STARTING_S: Final = 60.0
"""While parts start, systemd takes the supervisor for hung after this; the supervisor gives up on hung parts."""
MAX_STATUS: Final = 200


@dataclass
class ServiceManager:
    """The socket of systemd ("": nothing is sent), and how long it waits for a sign of life (0: for ever).

    systemd is notified, never asked: if it is away, the system runs on.
    """

    address: str = ""
    watchdog_s: float = 0.0
    started: bool = False

    @classmethod
    def of(cls, environment: MutableMapping[str, str], pid: int) -> Self:
        """Take what systemd says out of an environment, so that no part speaks to systemd as if it were the system."""
        found = {name: environment.pop(name, "") for name in VARIABLES}
        usec, meant = found["WATCHDOG_USEC"], found["WATCHDOG_PID"]
        watched = usec.isascii() and usec.isdigit() and meant in {"", str(pid)}
        return cls(found["NOTIFY_SOCKET"], int(usec) / 1e6 if watched else 0.0)

    def ready(self, status: str) -> None:
        """Say that every part is ready."""
        self.started = True
        self._send("READY=1", f"STATUS={_line(status)}")

    def status(self, text: str) -> None:
        """Show a text in `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def stopping(self) -> None:
        """Say that the system stops because it was asked to, or because it cannot go on."""
        self._send("STOPPING=1")

    async def live(self) -> None:
        """Give signs of life while the event loop turns; while parts start, ask for the time that they take."""
        while not self.started:
            self._send(f"EXTEND_TIMEOUT_USEC={STARTING_S * 1e6:.0f}")
            await asyncio.sleep(1.0)
        while self.watchdog_s:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / PINGS)

    def _send(self, *lines: str) -> None:
        if not self.address.startswith(("/", "@")):
            return
        # A name that begins with @ is not in the file system.
        target = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), target)


def status_of(troubles: Mapping[str, object]) -> str:
    """Return what `systemctl status` shows: which parts are in trouble."""
    return f"in trouble: {', '.join(sorted(troubles))}" if troubles else "all parts are running"


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_STATUS]
