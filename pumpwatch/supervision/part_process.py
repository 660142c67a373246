"""One part as a process of the supervisor: what to run, how far it is, the last lines of its output."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from humanize import naturalsize

from broker.display.printable import printable
from pumpwatch.supervision.log_lines import text_of

READY_TIMEOUT_S: Final = 60.0
"""A part that reports no progress for this long before it is ready has failed to start."""
TAIL_LINES: Final = 15
"""Lines of a part's output that are quoted if it fails."""
MAX_LINE_BYTES: Final = 256 * 1024
"""Longer lines of a part's output are omitted."""


Say = Callable[[str, str], None]
"""Logs one line: part and text."""


@dataclass(frozen=True)
class Part:
    """One process to run: name, command, additional environment, and time to be ready or to report progress.

    `says` is what it calls itself, if that is not its name: there may be several of a kind.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = READY_TIMEOUT_S
    says: str = ""

    @property
    def kind(self) -> str:
        """What it calls itself: there may be several of a kind."""
        return self.says or self.name


@dataclass
class Running:
    """A started part: its process and the last lines of its output. `ready` resolves to its address.

    `advanced` is when it started or last reported progress, in seconds of the event loop's clock, `progress` the text.
    """

    part: Part
    process: asyncio.subprocess.Process
    say: Say
    started: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    ready: asyncio.Future[str] = field(default_factory=asyncio.Future)
    readers: tuple[asyncio.Task[None], ...] = ()
    progress: str = ""
    advanced: float = 0.0

    def __post_init__(self) -> None:
        self.advanced = self.started

    def receive(self, line: str) -> None:
        """Process one line of the part's output, which may quote anything."""
        line = printable(line)
        word, _, rest = line.partition(" ")
        name, _, address = rest.partition(" ")
        itself = name == self.part.kind
        if word == "READY" and itself:
            if not self.ready.done():
                self.ready.set_result(address)
            return
        if word == "PROGRESS" and itself:
            self.progress, self.advanced = address, asyncio.get_running_loop().time()
            self.say(self.part.name, address)
            return
        self.tail.append(printable(text_of(line)))
        self.say(self.part.name, line)

    def left_s(self, patience_s: float) -> float:
        """Return how long it has left to report progress."""
        return self.advanced + patience_s - asyncio.get_running_loop().time()

    def reached(self) -> str:
        """Return how far it got, as the end of a sentence; empty if it reported nothing."""
        return f" of its last progress ({self.progress})" if self.progress else ""

    async def stopped(self, patience_s: float, latest: float) -> None:
        """Wait until it has exited, or reports no progress for `patience_s`, or until `latest`."""
        clock = asyncio.get_running_loop().time
        self.advanced = clock()
        ended = asyncio.ensure_future(self.process.wait())
        while not ended.done() and (left_s := min(self.left_s(patience_s), latest - clock())) > 0:
            await asyncio.wait({ended}, timeout=left_s)
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)

    def last_lines(self) -> str:
        """Return its last lines, indented."""
        return "".join(f"\n    {line}" for line in self.tail) or "\n    (no output)"


async def read_lines(stream: asyncio.StreamReader, receive: Callable[[str], None]) -> None:
    """Pass each line of a stream to `receive`; one that is too long is replaced by a note."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            receive(f"(a line of more than {naturalsize(MAX_LINE_BYTES, binary=True)} was omitted)")
            continue
        if not line:
            return
        receive(line.decode(errors="replace").rstrip())
