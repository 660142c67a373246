"""Writer of one range's part of the history table: publishes each sample once, merges files, removes old days.

Samples may come again: after a crash, after a lost answer of the table, from gateways that resend, from a former owner
that went on. A sample is new if it is later than all that this owner has published of its pump, and than all that there
was of its day when this owner began; all others are looked up in the files of their time. The owner of a later epoch
need not ask anybody: its first commit makes all further ones of earlier owners fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import retention, segments, unpublished
from broker.store.delta_log import Added, Log, Mark
from broker.store.segments import BLOCK_ROWS, DAY_MS, END_MS, KEY
from broker.store.unpublished import Unpublished

MERGED: Final = 16
MAX_LEVEL: Final = 3
SETTLED_MS: Final = 3_600_000
"""A day that is over is merged when no file of it is younger than this."""
NONE: Final = Mark(-1, -1)
_LATEST: Final = {"pump": pl.String(), "time": pl.Int64()}
_BEFORE: Final = {"date": pl.String(), "last_ms": pl.Int64()}
_DAY: Final = (pl.col("time").clip(0, END_MS) // DAY_MS * DAY_MS).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%d")


class SupersededError(Exception):
    """A later epoch of the range has written to the table: this owner writes nothing more there."""


@dataclass
class TableWriter:
    """Writes the samples of range `number`, as its owner in `epoch`, from what is `unpublished`.

    `published` counts samples, `removed` days that expired. Not for several threads at once.
    """

    log: Log
    number: int
    epoch: int
    unpublished: Unpublished
    published: int = 0
    removed: int = 0
    _seen: Mark = NONE
    _latest: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_LATEST))
    _before: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_BEFORE))

    def publish(self, stamp: int) -> int:
        """Publish the oldest samples that wait, at most about a million; return how many files waited with them.

        `stamp` is wall ms. Raises `SupersededError`, `delta_log.ConflictError` if another commit for this range came
        at the same time, or `OSError`; then it may be tried again.
        """
        chosen = self.unpublished.waiting(BLOCK_ROWS)
        if not chosen:
            return 0
        self.log.read(create=True)
        self._meet(self.log.last(self.number) or NONE)
        samples = self._new(unpublished.samples(chosen))
        added = [self.log.put(self.number, 0, day, part) for day, part in _by_day(samples)]
        if added:
            self._commit(added, None, stamp)
            latest = samples.group_by("pump").agg(pl.col("time").max())
            self._latest = pl.concat([self._latest, latest]).group_by("pump").agg(pl.col("time").max())
        self.unpublished.forget(chosen)
        self.published += samples.height
        return len(chosen)

    def _meet(self, found: Mark) -> None:
        """Take in whose commit was the last; if it is not the last of this owner, what there is in the table."""
        if found.epoch > self.epoch:
            raise SupersededError(
                f"epoch {found.epoch} of range {self.number:02d} has written to {self.log.url}, and this is epoch "
                f"{self.epoch}: another node owns the range now"
            )
        if found != self._seen:
            self._before = self._own_files().group_by("date").agg(pl.col("last_ms").max())
        self._seen = found

    def _commit(self, added: list[Added], removed: pl.DataFrame | None, stamp: int, *, changes: bool = True) -> None:
        mark = Mark(self.epoch, self._seen.number + 1 if self._seen.epoch == self.epoch else 0)
        self.log.commit(self.number, mark, added, removed, stamp=stamp, changes=changes)
        self._seen = mark

    def _new(self, samples: pl.DataFrame) -> pl.DataFrame:
        """Return the samples that are not in the table, sorted as they are."""
        known = samples.select(*KEY, _DAY.alias("date")).join(
            self._latest, on="pump", how="left", maintain_order="left"
        )
        known = known.join(self._before, on="date", how="left", maintain_order="left")
        later = (pl.col("time") > pl.max_horizontal("time_right", "last_ms")).fill_null(value=True)
        doubtful = known.filter(~later)
        if doubtful.is_empty():
            return samples
        first, last = doubtful["time"].min(), doubtful["time"].max()
        files = self._own_files().filter(pl.col("first_ms") <= last, pl.col("last_ms") >= first)
        if files.is_empty():
            return samples
        there = pl.col("time").is_between(first, last) & pl.col("pump").is_in(doubtful["pump"].unique().to_list())
        scanned = segments.scan(self.log.places(files["path"].to_list()))
        keys = scanned.filter(there).select(KEY).collect(engine="in-memory")
        return samples.join(keys, on=KEY, how="anti", nulls_equal=True, maintain_order="left")

    def _own_files(self) -> pl.DataFrame:
        return self.log.files().filter(pl.col("range") == self.number)

    @property
    def _is_owner(self) -> bool:
        """Whether this owner has written to the table, so that no earlier one can."""
        return self._seen.epoch == self.epoch

    def merge(self, stamp: int) -> bool:
        """Merge some small files of one day into one; return whether there were any. Raises like `publish`."""
        if not self._is_owner:
            return False
        self.log.read()
        files = _mergeable(self._own_files(), stamp)
        if files is None:
            return False
        self._meet(self.log.last(self.number) or NONE)
        found = segments.once(segments.scan(self.log.places(files["path"].to_list())).collect(engine="in-memory"))
        level = min(MAX_LEVEL, 1 + int(files["level"].max()))  # type: ignore[arg-type]
        added = self.log.put(self.number, level, files["date"][0], found.select(*SAMPLE_SCHEMA))
        self._commit([added], files, stamp, changes=False)
        return True

    def expire(self, stamp: int, clock_ms: int | None, max_days: int) -> list[str]:
        """Remove the oldest days as `retention.expired` says; return them. Raises like `publish`."""
        if not max_days or not self._is_owner:
            return []
        self.log.read()
        files = self._own_files()
        days = [Path(f"date={day}") for day in files["date"].unique().sort()]
        gone = [day.name.partition("=")[2] for day in retention.expired(days, clock_ms, max_days)]
        if gone:
            self._meet(self.log.last(self.number) or NONE)
            self._commit([], files.filter(pl.col("date").is_in(gone)), stamp)
            self.removed += len(gone)
        return gone


def _by_day(samples: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the samples of each day (`2026-01-31`); before 1970 the first, after year 9999 the last."""
    days = samples.with_columns(_DAY.alias("date"))
    for (day,), part in days.partition_by("date", as_dict=True, include_key=False).items():
        yield str(day), part


def _mergeable(files: pl.DataFrame, stamp: int) -> pl.DataFrame | None:
    """Return files of one day to be merged: sixteen of one level, or all of a day that is over; None if none are."""
    newest = files["date"].max()
    for (day,), listed in files.partition_by("date", as_dict=True).items():
        settled = stamp - int(listed["modification_time"].max()) >= SETTLED_MS  # type: ignore[arg-type]
        if day != newest and listed.height > 1 and settled and listed["num_records"].sum() <= BLOCK_ROWS:
            return listed
        for (level,), same in listed.partition_by("level", as_dict=True).items():
            chosen = same.sort("modification_time").head(MERGED)
            fits = chosen["num_records"].sum() <= BLOCK_ROWS
            if int(level) < MAX_LEVEL and chosen.height == MERGED and fits:
                return chosen
    return None
