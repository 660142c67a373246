"""Arrivals: samples as they came, arranged for the history: by hour, and neighbouring pumps together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from broker.store.segments import HOUR_MS

FEW: Final = 50_000
MIN_RUN: Final = 100
"""Average length of runs of pumps in order above which it pays to put runs in order."""


def by_hour(samples: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the samples of each hour (hours since 1970, UTC)."""
    if samples.is_empty():
        return
    times = samples["time"].to_numpy()
    first, last = int(times.min()) // HOUR_MS, int(times.max()) // HOUR_MS
    if first == last:
        yield first, samples
        return
    hours = samples.with_columns((pl.col("time") // HOUR_MS).alias("hour"))
    for (hour,), part in hours.partition_by("hour", as_dict=True, include_key=False).items():
        yield int(hour), part


def gathered(samples: pl.DataFrame) -> pl.DataFrame:
    """Return samples so that those of neighbouring pumps are together, and one pump is found in few row groups.

    A few are sorted by pump and time. Many usually come in runs, messages of gateways that name their pumps in order:
    putting the runs in order costs a fifth of sorting.
    """
    pump, sent = samples["pump"], samples["sent"]
    begins = (pump < pump.shift()) | (sent != sent.shift())
    starts = np.flatnonzero(begins.fill_null(value=False).to_numpy())
    if samples.height < FEW or len(starts) > samples.height // MIN_RUN:
        return samples.sort("pump", "time")
    if not len(starts):
        return samples
    edges = [0, *starts.tolist(), samples.height]
    order = pump.gather(edges[:-1]).arg_sort()
    return pl.concat([samples[edges[run] : edges[run + 1]] for run in order], rechunk=True)
