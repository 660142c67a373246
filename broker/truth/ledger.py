"""Reader of the ground truth file (`broker.truth.ground_truth`), which the simulator appends to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from broker.truth.ground_truth import FILE, FaultChange, RunHeader
from broker.truth.injections import INJECTIONS

MAX_INJECTIONS: Final = 100_000
"""Number of injections kept, newest first; older ones are dropped and counted."""
MAX_READ_BYTES: Final = 16 * 1024 * 1024
"""Bytes read per call."""
KNOWN: Final[dict[str, pl.DataType]] = {**INJECTIONS, "injected_by": pl.String()}
"""Injections with who commanded each, empty if a scenario did."""
_HEADER: Final = msgspec.json.Decoder(RunHeader)
_CHANGE: Final = msgspec.json.Decoder(FaultChange)


@dataclass(frozen=True)
class Ledger:
    """The ground truth so far: the run's header and every injection (`KNOWN`).

    `dropped` counts injections older than the newest `MAX_INJECTIONS`.
    """

    header: RunHeader
    injections: pl.DataFrame
    dropped: int


@dataclass
class LedgerReader:
    """Follows the file as it grows, and starts over when a new run rewrites it.

    A file whose header is not a `RunHeader`, as from an older version, counts as no ground truth; lines that are not a
    `FaultChange` are skipped.
    """

    data: Path
    _first: bytes = b""
    _position: int = 0
    _header: RunHeader | None = None
    _cases: dict[tuple[str, str, int], tuple[float, int | None, str]] = field(default_factory=dict)
    _dropped: int = 0
    _ledger: Ledger | None = None

    @property
    def incompatible(self) -> bool:
        """Whether the file was there at the last read without a `RunHeader`, as an older version writes it."""
        return bool(self._first) and self._header is None

    def read(self) -> Ledger | None:
        """Return the ground truth so far; None if no simulator has written any."""
        try:
            with (self.data / FILE).open("rb") as file:
                first = file.readline()
                if not first.endswith(b"\n"):
                    return None
                if first != self._first:
                    self._start_over(first)
                file.seek(self._position)
                appended = file.read(MAX_READ_BYTES)
        except OSError:
            self._first = b""
            return None
        whole_lines = appended.rpartition(b"\n")[0]
        if whole_lines:
            self._position += len(whole_lines) + 1
            for line in whole_lines.split(b"\n"):
                self._take(line)
            self._ledger = None
        if self._header is not None and self._ledger is None:
            self._ledger = Ledger(self._header, self._frame(), self._dropped)
        return self._ledger

    def _start_over(self, first: bytes) -> None:
        self._first, self._position, self._dropped, self._ledger = first, len(first), 0, None
        self._cases.clear()
        try:
            self._header = _HEADER.decode(first)
        except msgspec.DecodeError:
            self._header = None

    def _take(self, line: bytes) -> None:
        try:
            change = _CHANGE.decode(line)
        except msgspec.DecodeError:
            return
        case = (change.pump, change.fault, change.since)
        if change.kind == "ended":
            if case in self._cases:
                self._cases[case] = (change.severity, change.time, self._cases[case][2])
            return
        self._cases[case] = (change.severity, None, change.by)
        if len(self._cases) > MAX_INJECTIONS:
            del self._cases[next(iter(self._cases))]
            self._dropped += 1

    def _frame(self) -> pl.DataFrame:
        rows = [
            (pump, fault, severity, since, end, by) for (pump, fault, since), (severity, end, by) in self._cases.items()
        ]
        return pl.DataFrame(rows, KNOWN, orient="row").filter(pl.col("severity") > 0)
