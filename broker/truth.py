"""This file is what is really wrong with the simulated pumps: as the simulator tells it, and as it is read again.

It is for engineers and for judging. The file in the data directory begins with a `Story`, then has a `Wrong` a line,
and begins anew with each run of the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec
import polars as pl

from broker.cohorts import CROWDS
from broker.matching import EXPECTED, INJECTIONS
from broker.messages import read

FILE: Final = "truth.jsonl"
MOST_INJECTIONS: Final = 100_000
"""The latest so many are kept; those left out are counted."""
MOST_READ_BYTES: Final = 16 * 1024 * 1024
"""At a time."""


class Wrong(msgspec.Struct, kw_only=True):
    """A fault that began on a pump, or ended: `since` and `time` are therapy ms, `severity` is that after the ramp."""

    kind: Literal["begun", "ended"]
    pump: str
    fault: str
    severity: float
    since: int
    time: int


class Truth(msgspec.Struct, kw_only=True):
    """What is really wrong since the last such message: for engineers and for judging, never for the processor."""

    sent: int
    changes: list[Wrong]


class Expected(msgspec.Struct, kw_only=True):
    """By which rules a fault counts as found: those that name its cause, and those that notice it.

    One that `waits_for` a refill shows nothing before the next one. Toward an alarm of many silent pumps it counts
    from the severity `silent_from` on.
    """

    fault: str
    right: list[str] = []
    accepted: list[str] = []
    waits_for: str = ""
    silent_from: float = 0.0


class Story(msgspec.Struct, kw_only=True):
    """What a simulator begins with: its therapy time (ms), how many pumps it plays, and how it is to be judged."""

    kind: Literal["story"] = "story"
    time: int
    pumps: int
    expected: list[Expected] = []


_STORY: Final = msgspec.json.Decoder(Story)
_WRONG: Final = msgspec.json.Decoder(Wrong)
_TRUTH: Final = msgspec.json.Decoder(Truth)


def read_truth(payload: bytes) -> Truth:
    """Read a truth, or raise `MessageError`."""
    return read(_TRUTH, payload, "a truth")


def expectations(told: Iterable[Expected], deadline_h: Callable[[str], float | None]) -> pl.DataFrame:
    """Return what is expected (`EXPECTED`) as the faults tell; a rule without a deadline is not on the alarm list."""
    rows = [
        (each.fault, rule, right, due_h, each.silent_from if rule in CROWDS else 0.0)
        for each in told
        for rules, right in ((each.right, True), (each.accepted, False))
        for rule in rules
        if (due_h := deadline_h(rule)) is not None
    ]
    return pl.DataFrame(rows, EXPECTED, orient="row")


@dataclass(frozen=True)
class Told:
    """The truth so far: how the story began and every injection (`broker.matching.INJECTIONS`)."""

    story: Story
    injections: pl.DataFrame
    left_out: int


@dataclass
class TruthReader:
    """Follows the file as it grows, and notices when another run begins it anew."""

    data: Path
    _first: bytes = b""
    _read: int = 0
    _story: Story | None = None
    _cases: dict[tuple[str, str, int], tuple[float, int | None]] = field(default_factory=dict)
    _left_out: int = 0
    _told: Told | None = None

    def read(self) -> Told | None:
        """Return the truth so far; None where no simulator has written any. Lines that are none are passed over."""
        try:
            with (self.data / FILE).open("rb") as file:
                first = file.readline()
                if not first.endswith(b"\n"):
                    return None
                if first != self._first:
                    self._begin(first)
                file.seek(self._read)
                more = file.read(MOST_READ_BYTES)
        except OSError:
            return None
        whole = more.rpartition(b"\n")[0]
        if whole:
            self._read += len(whole) + 1
            for line in whole.split(b"\n"):
                self._take(line)
            self._told = None
        if self._story is not None and self._told is None:
            self._told = Told(self._story, self._frame(), self._left_out)
        return self._told

    def _begin(self, first: bytes) -> None:
        self._first, self._read, self._left_out, self._told = first, len(first), 0, None
        self._cases.clear()
        try:
            self._story = _STORY.decode(first)
        except msgspec.DecodeError:
            self._story = None

    def _take(self, line: bytes) -> None:
        try:
            wrong = _WRONG.decode(line)
        except msgspec.DecodeError:
            return
        case = (wrong.pump, wrong.fault, wrong.since)
        if wrong.kind == "ended":
            if case in self._cases:
                self._cases[case] = (wrong.severity, wrong.time)
            return
        self._cases[case] = (wrong.severity, None)
        if len(self._cases) > MOST_INJECTIONS:
            del self._cases[next(iter(self._cases))]
            self._left_out += 1

    def _frame(self) -> pl.DataFrame:
        rows = [(pump, fault, severity, since, end) for (pump, fault, since), (severity, end) in self._cases.items()]
        return pl.DataFrame(rows, INJECTIONS, orient="row").filter(pl.col("severity") > 0)
