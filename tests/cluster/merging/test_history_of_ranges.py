"""Trends over ranges: the samples of the latest epochs, each once."""

from __future__ import annotations

import polars as pl

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store.history import History
from cluster import layout
from cluster.merging import history

START_MS = 1_767_225_600_000


def samples(seq: list[int]) -> pl.DataFrame:
    """Samples of one pump, a minute apart."""
    columns = {
        "pump": ["A"] * len(seq),
        "seq": seq,
        "time": [START_MS + 60_000 * one for one in seq],
        "boot": [1] * len(seq),
    }
    return pl.DataFrame({name: columns.get(name, [None] * len(seq)) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


def test_a_pump_that_moved_to_another_range_has_one_trend(tmp_path):
    here, there = (layout.epoch_directory(tmp_path, number, 1) for number in (0, 3))
    History(here).append(samples(seq=[1, 2]), 1)
    History(there).append(samples(seq=[3, 4]), 1)
    found = history.trend(tmp_path, 4, "A", 0)
    assert dict(found.schema) == SAMPLE_SCHEMA
    assert found["seq"].to_list() == [1, 2, 3, 4]


def test_a_sample_that_two_ranges_have_is_one_sample(tmp_path):
    for number in (0, 1):
        History(layout.epoch_directory(tmp_path, number, 1)).append(samples(seq=[1, 2]), 1)
    assert history.trend(tmp_path, 2, "A", 0)["seq"].to_list() == [1, 2]
    assert history.kept(tmp_path, 2)[:2] == (4, 2)


def test_what_a_former_owner_writes_after_the_take_over_is_not_read(tmp_path):
    former = layout.take_over(tmp_path, 0, 1)
    History(former).append(samples(seq=[1]), 1)
    layout.take_over(tmp_path, 0, 2)
    History(former).append(samples(seq=[1, 2]), 2)
    assert history.trend(tmp_path, 1, "A", 0)["seq"].to_list() == [1]


def test_without_any_owner_there_is_an_empty_history(tmp_path):
    assert history.trend(tmp_path, 8, "A", 0).is_empty()
    assert history.kept(tmp_path, 8) == (0, 0, 0)
