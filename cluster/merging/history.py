"""The history of all ranges read as one, from the latest epoch of each."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from broker.contract.signals import empty_samples
from broker.store import segments
from cluster import layout


def sources(data: Path, ranges: int) -> list[Path]:
    """Return the data directory of the latest epoch of each range that has one."""
    latest = ((number, layout.epochs(data, number)) for number in range(layout.check_ranges(ranges)))
    return [layout.epoch_directory(data, number, epochs[-1]) for number, epochs in latest if epochs]


def trend(data: Path, ranges: int, pump: str, since_ms: int, until_ms: int | None = None) -> pl.DataFrame:
    """Return one pump's samples (`SAMPLE_SCHEMA`) of all ranges as `broker.store.segments.trend` does.

    A pump that moved to a gateway of another range has samples in both; one that is in both is one sample. Raises
    `OSError` if files disappear as fast as they are listed.
    """
    found = [segments.trend(source, pump, since_ms, until_ms) for source in sources(data, ranges)]
    return segments.once(pl.concat([empty_samples(), *found]))


def kept(data: Path, ranges: int) -> tuple[int, int, int]:
    """Return the numbers of samples (counted twice if in two files), files and bytes of the history of all ranges."""
    found = [segments.kept(source) for source in sources(data, ranges)]
    return sum(one[0] for one in found), sum(one[1] for one in found), sum(one[2] for one in found)
