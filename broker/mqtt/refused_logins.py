"""Logins that Mosquitto refused, from its log lines: a line in ours every few seconds, and entries for the journal."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

INTERVAL_S: Final = 10.0
"""Least time between two reports; a burst of wrong passwords does not fill the log."""
WINDOW_S: Final = 60.0
"""The first refusal of an address is passed on at once, the following ones as a count after this time."""
POLL_INTERVAL_S: Final = 1.0
MAX_ADDRESSES: Final = 100
"""Addresses whose refusals are counted by themselves; those of more are counted together."""
MAX_PENDING: Final = 1_000
"""Connections without a login that are remembered."""
MAX_NAMED: Final = 3
OTHERS: Final = "other addresses"
UNKNOWN: Final = "unknown address"
_NEW: Final = re.compile(r"New connection from (\S+) on port \d+\.")
_CONNECTED: Final = re.compile(r"New client connected from (\S+) as .*")
_REFUSED: Final = re.compile(r"Client (\S+) disconnected, not authori[sz]ed\.|Client connection from (\S+) failed: .*")
_ROUTINE: Final = re.compile(
    r"Reloading config\.|Client .* (disconnected|closed its connection|already connected, closing old connection)\.|"
    r"Client .* disconnected(: .*|, not authori[sz]ed\.)"
)


@dataclass(frozen=True)
class RefusedLogin:
    """Logins refused from one address: how many, and the MQTT client id of the latest, empty if Mosquitto hides it."""

    address: str
    client: str
    count: int


@dataclass
class _Window:
    since_s: float
    count: int = 0
    client: str = ""


@dataclass
class RefusedLogins:
    """How many logins were refused since the last report, and who tried.

    `place` is the address of the latest, if it is known: Mosquitto names it with the connection and not with the
    refusal, so it is known if all that have not logged in yet come from one address.
    """

    count: int = 0
    place: str = ""
    reported_s: float = float("-inf")
    _pending: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_PENDING))
    _windows: dict[str, _Window] = field(default_factory=dict)
    _due: list[RefusedLogin] = field(default_factory=list)

    def take(self, line: str, now_s: float) -> bool:
        """Take a line of Mosquitto; return whether it is routine, and not to be shown. `now_s` is monotonic."""
        if (found := _NEW.fullmatch(line)) is not None:
            self._pending.append(found[1])
            return True
        if (found := _CONNECTED.fullmatch(line)) is not None:
            self._logged_in(found[1])
            return True
        if (found := _REFUSED.fullmatch(line)) is None:
            return _ROUTINE.fullmatch(line) is not None
        client = "" if found[1] in (None, "<unknown>") else found[1]
        address = found[2] or self._address()
        if self._pending:
            self._pending.popleft()
        self.count += 1
        self.place = address or self.place
        self._note(address or UNKNOWN, client, now_s)
        return True

    def _logged_in(self, connection: str) -> None:
        # What came before it and never logged in is given up: a scan of ports would stay for ever.
        while self._pending and self._pending.popleft() != connection:
            pass

    def _address(self) -> str:
        """Return the address of whoever was refused, several if more than one may have been, empty if unknown."""
        hosts = list(dict.fromkeys(each.rpartition(":")[0] for each in self._pending))
        return " or ".join(hosts) if len(hosts) <= MAX_NAMED else ""

    def _note(self, address: str, client: str, now_s: float) -> None:
        if address not in self._windows and len(self._windows) >= MAX_ADDRESSES:
            address = OTHERS
        window = self._windows.get(address)
        if window is None:
            self._windows[address] = _Window(now_s)
            self._due.append(RefusedLogin(address, client, 1))
        else:
            window.count += 1
            window.client = client or window.client

    def due(self, now_s: float, *, last: bool = False) -> list[RefusedLogin]:
        """Return what is to be recorded now: first refusals, and counts of windows that are over, `last` of all."""
        found, self._due = self._due, []
        for address, window in list(self._windows.items()):
            if not last and now_s - window.since_s < WINDOW_S:
                continue
            if window.count:
                found.append(RefusedLogin(address, window.client, window.count))
                self._windows[address] = _Window(now_s)
            else:
                del self._windows[address]
        return found

    def report(self, now_s: float) -> str | None:
        """Return the sentence about what was refused since the last report, None if it is too early or nothing was."""
        if not self.count or now_s - self.reported_s < INTERVAL_S:
            return None
        logins = "1 login was" if self.count == 1 else f"{self.count:,} logins were"
        latest = f", the latest from {self.place}" if self.place else ""
        self.count, self.place, self.reported_s = 0, "", now_s
        return f"{logins} refused at the broker{latest}: wrong name, password or certificate"

    async def watch(self, warn: Callable[[str], None], record: Callable[[RefusedLogin], Awaitable[None]]) -> None:
        """Pass reports to `warn` and refused logins to `record` until cancelled; then what is left of them."""
        now_s = asyncio.get_running_loop().time
        try:
            while True:
                await asyncio.sleep(POLL_INTERVAL_S)
                if text := self.report(now_s()):
                    warn(text)
                for each in self.due(now_s()):
                    await record(each)
        finally:
            for each in self.due(now_s(), last=True):
                await record(each)
