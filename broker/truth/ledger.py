"""This file reads the ledger of what is really wrong (`broker.truth.ground_truth`), which the simulator writes, as it grows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.truth.ground_truth import FILE, Story, Wrong
from broker.truth.matching import INJECTIONS

MAX_INJECTIONS: Final = 100_000
"""The latest so many are kept; those left out are counted."""
MAX_READ_BYTES: Final = 16 * 1024 * 1024
"""At a time."""
_STORY: Final = msgspec.json.Decoder(Story)
_WRONG: Final = msgspec.json.Decoder(Wrong)


@dataclass(frozen=True)
class Told:
    """The truth so far: how the story began and every injection (`broker.truth.matching.INJECTIONS`)."""

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
                more = file.read(MAX_READ_BYTES)
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
        if len(self._cases) > MAX_INJECTIONS:
            del self._cases[next(iter(self._cases))]
            self._left_out += 1

    def _frame(self) -> pl.DataFrame:
        rows = [(pump, fault, severity, since, end) for (pump, fault, since), (severity, end) in self._cases.items()]
        return pl.DataFrame(rows, INJECTIONS, orient="row").filter(pl.col("severity") > 0)
