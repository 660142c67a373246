"""Counts logins that Mosquitto refused, from its log lines, for one line in ours every few seconds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

INTERVAL_S: Final = 10.0
"""Least time between two reports; a burst of wrong passwords does not fill the log."""
POLL_INTERVAL_S: Final = 1.0
_REFUSED: Final = re.compile(r"Client \S+ disconnected, not authori[sz]ed\.|Client connection from (\S+) failed: .*")
_ROUTINE: Final = re.compile(
    r"New connection from \S+ on port \d+\.|New client connected from .*|Reloading config\.|"
    r"Client .* (disconnected|closed its connection|already connected, closing old connection)\.|"
    r"Client .* disconnected(: .*|, not authori[sz]ed\.)"
)


@dataclass
class RefusedLogins:
    """How many logins were refused since the last report; `place` is the address of the latest, if it is known."""

    count: int = 0
    place: str = ""
    reported_s: float = float("-inf")

    def take(self, line: str) -> bool:
        """Take a line of Mosquitto; return whether it is routine, and not to be shown."""
        found = _REFUSED.fullmatch(line)
        if found is not None:
            self.count += 1
            self.place = found[1] or self.place
        return found is not None or _ROUTINE.fullmatch(line) is not None

    def report(self, now_s: float) -> str | None:
        """Return the sentence about what was refused since the last report, None if it is too early or nothing was."""
        if not self.count or now_s - self.reported_s < INTERVAL_S:
            return None
        logins = "1 login was" if self.count == 1 else f"{self.count:,} logins were"
        latest = f", the latest from {self.place}" if self.place else ""
        self.count, self.place, self.reported_s = 0, "", now_s
        return f"{logins} refused at the broker{latest}: wrong name, password or certificate"

    async def watch(self, warn: Callable[[str], None]) -> None:
        """Pass reports to `warn` until cancelled."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            if text := self.report(asyncio.get_running_loop().time()):
                warn(text)
