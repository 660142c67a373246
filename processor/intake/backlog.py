"""Backlog: samples that wait, so that judging one pump's many does not delay the alarms of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from processor.engine.waves import defer
from processor.intake.collected import BATCH_SCHEMA

MAX_BACKLOG: Final = 500_000
"""Samples that may wait to be judged, about 60 MB; if there are more, all are judged at once."""


@dataclass
class Backlog:
    """Samples that arrived and are not judged yet (`waiting`, `BATCH_SCHEMA`), in order of arrival.

    At most `max_thin_waves` samples of a pump's backlog are judged per batch (None: all). `overflows` counts how often
    there were more than `MAX_BACKLOG`.
    """

    waiting: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BATCH_SCHEMA))
    max_thin_waves: int | None = None
    overflows: int = 0

    def due(self, samples: pl.DataFrame) -> pl.DataFrame:
        """Return the samples to judge now, those that waited first; the others wait."""
        if self.max_thin_waves is None:
            return samples
        waiting = samples if self.waiting.is_empty() else pl.concat([self.waiting, samples], rechunk=True)
        due, self.waiting = defer(waiting, self.max_thin_waves)
        if self.waiting.height > MAX_BACKLOG:
            self.overflows += 1
            due, self.waiting = waiting, waiting.clear()
        return due

    def newest(self, judged: pl.Series) -> pl.Series:
        """Return the time of each pump's newest sample (Int64 ms), judged (null if there is none) or waiting."""
        if self.waiting.is_empty():
            return judged
        waiting = self.waiting.group_by("pump").agg(pl.col("time").max())
        return judged.clone().scatter(waiting["pump"], waiting["time"])
