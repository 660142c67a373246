"""Waves: a batch divided such that each pump is at most once in each, its samples in order from wave to wave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.engine.placement import ascending

THIN_WAVE: Final = 1_000
MAX_WAVE: Final = 262_144
"""Pumps of a wave, at most: where their windows end, both the old rows and the new ones are in memory."""

Ints = npt.NDArray[np.int64]


def waves(batch: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Split a batch (with `pump` as row numbers) into waves of at most `MAX_WAVE`, each in order of arrival.

    A wave of more pumps is several, each in the order of the pumps.
    """
    wave = _wave_of_each(batch["pump"])
    if wave is None:
        yield from _parts(batch)
        return
    ordered, end = batch[np.argsort(wave, kind="stable")], 0
    for height in np.bincount(wave).tolist():
        yield from _parts(ordered[end : end + height])
        end += height


def _parts(wave: pl.DataFrame) -> Iterator[pl.DataFrame]:
    if wave.height > MAX_WAVE:
        # Parts of neighbours touch few rows of the state; parts as they arrived might each touch all of them.
        wave = ascending(wave)
    for first in range(0, wave.height, MAX_WAVE):
        yield wave[first : first + MAX_WAVE]


def defer(batch: pl.DataFrame, max_waves: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a batch into the samples to judge now and those that can wait, each in order of arrival.

    A wave of a few pumps costs nearly as much as one of thousands. So of the waves with fewer than `THIN_WAVE` samples,
    which only pumps with a backlog have, the first `max_waves` are judged now.
    """
    wave = _wave_of_each(batch["pump"])
    if wave is None:
        return batch, batch.clear()
    heights = np.bincount(wave)
    now = int((heights >= THIN_WAVE).sum()) + max_waves
    if len(heights) <= now:
        return batch, batch.clear()
    due = pl.Series(wave < now)
    return batch.filter(due), batch.filter(~due)


def _wave_of_each(pumps: pl.Series) -> Ints | None:
    """Return how many samples of its pump are before each sample; None if each pump is there once."""
    numbers = pumps.to_numpy()
    if (numbers[1:] > numbers[:-1]).all():
        return None
    # A merge of a few ascending runs, because the pumps of each gateway ascend.
    order = np.argsort(numbers, kind="stable")
    differ = np.diff(numbers[order].astype(np.int64), prepend=-1) != 0
    if differ.all():
        return None
    first = np.flatnonzero(differ)
    place = np.arange(len(numbers)) - np.repeat(first, np.diff(first, append=len(numbers)))
    wave = np.empty_like(place)
    wave[order] = place
    return wave
