"""Presence of pumps: how long nothing of each was judged, which are retired, and who may take over whose pump."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

ROAM_S: Final = 300.0
"""A pump is taken over by another gateway that delivers it once its own has delivered nothing for this long (therapy
seconds). Modeling choice: before the pump counts as silent."""
UNHEARD_S: Final = 480.0
"""Therapy seconds after which a pump of which nothing was judged may be retired, and gets a new clock epoch if it still
sends: the least of the limits for silence."""

RECORDS: Final[dict[str, pl.DataType]] = {
    "number": pl.UInt32(),
    "retired_wall": pl.Int64(),
    "retired_by": pl.String(),
    "retired_why": pl.String(),
}
"""Retirements: the number of the pump, when it was retired (wall ms), by whom (null: not by a person) and why."""

Ints = npt.NDArray[np.int64]


@dataclass
class Presence:
    """For each pump, by number: wall-clock ms since a sample of it was last judged (`unheard_ms`), and `retired`.

    Time counts only while the processor listens to its broker. No clock of a pump or gateway has a say in it.
    `records` are the `RECORDS` by number, the latest of each pump; those of pumps that are back stay. Of each pump is
    kept how much time had passed when it was heard, so that the passing of time costs nothing.
    """

    _heard_ms: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    retired: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    records: dict[int, tuple[int, str | None, str]] = field(default_factory=dict)
    _frame: pl.DataFrame | None = None
    _passed_ms: int = 0
    _at: int | None = None

    @classmethod
    def restore(cls, pumps: pl.DataFrame) -> Presence:
        """Return the presence that was `saved`; an older version saved no records."""
        presence = cls(-pumps["unheard_ms"].to_numpy(), pumps["retired"].to_numpy().copy())
        if "retired_wall" in pumps.columns:
            kept = pumps.select("retired_wall", "retired_by", "retired_why").with_row_index("number")
            rows = kept.drop_nulls("retired_wall").iter_rows()
            presence.records = {number: (at, who, why) for number, at, who, why in rows}
        return presence

    @property
    def unheard_ms(self) -> Ints:
        """Wall-clock ms since a sample of each pump was last judged."""
        return self._passed_ms - self._heard_ms

    def unheard_ms_of(self, number: int) -> int:
        """Return the wall-clock ms since a sample of this pump was last judged."""
        return self._passed_ms - int(self._heard_ms[number])

    def saved(self, pumps: pl.DataFrame) -> pl.DataFrame:
        """Return all pumps with their presence, as `restore` needs it; nothing in it changes any more."""
        present = pumps.with_columns(
            pl.Series("unheard_ms", self.unheard_ms), pl.Series("retired", self.retired.copy())
        )
        return self.with_records(present.with_row_index("number"))

    def with_records(self, pumps: pl.DataFrame) -> pl.DataFrame:
        """Return pumps without their `number`, but with when, by whom and why each was retired by itself; else null."""
        if not self.records:
            unknown = (pl.lit(None, dtype).alias(name) for name, dtype in RECORDS.items() if name != "number")
            return pumps.drop("number").with_columns(unknown)
        retired = pl.Series(self.retired).gather(pumps["number"])
        record = pl.when(retired).then(pl.col("number")).alias("number")
        joined = pumps.with_columns(record).join(self.frame(), "number", "left", maintain_order="left")
        return joined.drop("number")

    def grow(self, pumps: int) -> None:
        """Make room for `pumps` pumps; new ones were heard just now and are not retired."""
        more = pumps - len(self._heard_ms)
        if more > 0:
            self._heard_ms = np.append(self._heard_ms, np.full(more, self._passed_ms, np.int64))
            self.retired = np.append(self.retired, np.zeros(more, np.bool_))

    def pass_time(self, now: int, *, listening: bool) -> None:
        """Let time pass until `now` (wall ms)."""
        if listening and self._at is not None:
            self._passed_ms += max(0, now - self._at)
        self._at = now

    def hear(self, pumps: Ints) -> Ints:
        """Record that samples of these pumps were judged; return those of them that were retired and are back."""
        back: Ints = pumps[self.retired[pumps]]
        self._heard_ms[pumps] = self._passed_ms
        self.retired[back] = False
        return back

    def retire(self, number: int, at: int, why: str, who: str | None) -> None:
        """Record that a pump is retired since `at` (wall ms)."""
        self.retired[number] = True
        self.records[number] = at, who, why
        self._frame = None

    def reinstate(self, number: int, *, anew: bool) -> None:
        """Record that a pump is back; it counts as heard just now, or else (not `anew`) as long unheard as before."""
        self.retired[number] = False
        if anew:
            self._heard_ms[number] = self._passed_ms

    def frame(self) -> pl.DataFrame:
        """Return the latest retirement of each pump that was ever retired by itself (`RECORDS`)."""
        if self._frame is None:
            rows = [(number, *record) for number, record in self.records.items()]
            self._frame = pl.DataFrame(rows, schema=RECORDS, orient="row")
        return self._frame

    def shift_wall_clock(self, step_ms: int) -> None:
        """Follow a wall clock that was set by `step_ms`."""
        if self._at is not None:
            self._at += step_ms
