"""NATS servers that do not answer: since when, as the merger sees them at their monitoring ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from cluster.merging import own_alarms
from cluster.merging.own_alarms import Condition

INTERVAL_S: Final = 2.0
TIMEOUT_S: Final = 2.0
"""For each step of an answer; a server that is suspended accepts connections and says nothing."""
PATH: Final = "/healthz?js-server-only=true"
"""Whether the server and its JetStream work; streams that it is just copying from the others are no fault of it."""
MAX_ANSWER_BYTES: Final = 10_000
MAX_WHY: Final = 100
"""Characters of a server's own words on the Pipeline page."""

Probe = Callable[[str, int], str]
"""Asks a server at its monitoring port; returns why it is not healthy, "" if it is."""


def ask(host: str, port: int) -> str:
    """Ask a server whether it is healthy; return why not, "" if it is."""
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if answer.status == HTTPStatus.OK else f"it answers {answer.status}: {text.strip()[:MAX_WHY]}"


@dataclass(frozen=True)
class ServerDown:
    """A server that is down: the address of its monitoring port, since when (wall ms), and why it is thought so."""

    address: str
    since: int
    why: str

    def condition(self, therapy_ms: int) -> Condition:
        """Return the condition that the alarm is about, as of that therapy time."""
        name = f"NATS server {self.address}"
        return Condition(own_alarms.SERVER, name, self.since, therapy_ms, f"{name} is down: {self.why}")


@dataclass
class ServerWatch:
    """Asks all servers at `monitors` (hosts and ports); `down` are those that failed for long enough."""

    monitors: Sequence[tuple[str, int]]
    probe: Probe = ask
    down: list[ServerDown] = field(default_factory=list)
    _since: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    def step(self, now_s: float, wall_ms: int) -> None:
        """Ask all once; `now_s` is a clock that is never set, `wall_ms` the wall clock."""
        found = []
        for monitor in self.monitors:
            why = self.probe(*monitor)
            if not why:
                self._since.pop(monitor, None)
                continue
            since_s, since = self._since.setdefault(monitor, (now_s, wall_ms))
            if now_s - since_s >= own_alarms.OF[own_alarms.SERVER].on_delay_s:
                found.append(ServerDown(f"{monitor[0]}:{monitor[1]}", since, why))
        self.down = found
