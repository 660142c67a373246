"""Backlog: samples that wait, so that judging one pump's many does not delay the alarms of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from processor.engine import runs
from processor.engine.runs import MAX_RUN, MAX_RUNS
from processor.engine.waves import defer
from processor.intake.collected import BATCH_SCHEMA

MAX_BACKLOG: Final = 500_000
"""Samples that may wait to be judged, about 60 MB; if there are more, all are judged at once."""


@dataclass
class Backlog:
    """Samples that arrived and are not judged yet (`waiting`, `BATCH_SCHEMA`), in order of arrival.

    Of a few pumps with many samples at most `MAX_RUN` are judged per batch, of many pumps with some at most
    `max_thin_waves` each (None: all). `overflows` counts how often there were more than `MAX_BACKLOG`.
    """

    waiting: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BATCH_SCHEMA))
    max_thin_waves: int | None = None
    overflows: int = 0

    def due(self, samples: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        """Return the samples to judge now, in waves and in runs of single pumps (`processor.engine.runs`).

        Those that waited come first; the others wait.
        """
        if self.max_thin_waves is None:
            return runs.apart(samples)
        waiting = samples if self.waiting.is_empty() else pl.concat([self.waiting, samples], rechunk=True)
        together, alone = runs.apart(waiting)
        together, thin = defer(together, self.max_thin_waves)
        alone, later = alone[:MAX_RUNS], alone[MAX_RUNS:]
        most = MAX_RUN // max(1, len(alone))
        self.waiting = pl.concat([*(run[most:] for run in alone), *later, thin], rechunk=True)
        if self.waiting.height > MAX_BACKLOG:
            self.overflows += 1
            self.waiting = waiting.clear()
            return runs.apart(waiting)
        return together, [run[:most] for run in alone]

    def wait(self, samples: pl.DataFrame) -> None:
        """Let samples that were due wait after all, before those of their pump that wait already."""
        if samples.height:
            self.waiting = pl.concat([samples, self.waiting])

    def newest(self, judged: pl.Series) -> pl.Series:
        """Return the time of each pump's newest sample (Int64 ms), judged (null if there is none) or waiting."""
        if self.waiting.is_empty():
            return judged
        waiting = self.waiting.group_by("pump").agg(pl.col("time").max())
        return judged.clone().scatter(waiting["pump"], waiting["time"])
