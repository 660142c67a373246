"""Trends over ranges: the samples of the latest epochs, each once."""

from __future__ import annotations

import polars as pl

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import rollup, segments
from broker.store.history import History
from cluster import layout

START_MS = 1_767_225_600_000


def samples(seq: list[int], pump: str = "A") -> pl.DataFrame:
    """Samples of one pump, a minute apart."""
    columns = {
        "pump": [pump] * len(seq),
        "seq": seq,
        "time": [START_MS + 60_000 * one for one in seq],
        "boot": [1] * len(seq),
    }
    return pl.DataFrame({name: columns.get(name, [None] * len(seq)) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


def test_a_pump_that_moved_to_another_range_has_one_trend(tmp_path):
    here, there = (layout.epoch_directory(tmp_path, number, 1) for number in (0, 3))
    History(here).append(samples(seq=[1, 2]), 1)
    History(there).append(samples(seq=[3, 4]), 1)
    found = segments.trend(tmp_path, "A", 0)
    assert dict(found.schema) == SAMPLE_SCHEMA
    assert found["seq"].to_list() == [1, 2, 3, 4]


def test_a_sample_that_two_ranges_have_is_one_sample(tmp_path):
    for number in (0, 1):
        History(layout.epoch_directory(tmp_path, number, 1)).append(samples(seq=[1, 2]), 1)
    assert segments.trend(tmp_path, "A", 0)["seq"].to_list() == [1, 2]
    assert segments.kept(tmp_path)[:2] == (4, 2)
    assert sum(block.samples.height for block in segments.blocks(tmp_path, None, 0, None)) == 2


def test_what_a_former_owner_writes_after_the_take_over_is_not_read(tmp_path):
    former = layout.take_over(tmp_path, 0, 1)
    History(former).append(samples(seq=[1]), 1)
    layout.take_over(tmp_path, 0, 2)
    History(former).append(samples(seq=[1, 2]), 2)
    assert segments.trend(tmp_path, "A", 0)["seq"].to_list() == [1]


def test_hours_of_a_day_that_only_one_range_has_rolled_up_are_complete(tmp_path):
    for number, pump in enumerate("AB"):
        written = History(layout.epoch_directory(tmp_path, number, 1))
        written.append(samples([1, 2], pump), 1)
        written.append(samples([5_000], "Z"), 1)
        while number == 0 and written.merge(100_000):
            pass
    assert [path.parent.parent.name for path in rollup.files(tmp_path, 0, START_MS * 2, rollup.HOUR)] == ["hour"]
    found = rollup.rolled(tmp_path, ["A", "B"], START_MS, START_MS + segments.HOUR_MS)
    assert found.select("pump", "samples").rows() == [("A", 2), ("B", 2)]


def test_without_any_owner_there_is_an_empty_history(tmp_path):
    (tmp_path / "ranges").mkdir()
    assert segments.trend(tmp_path, "A", 0).is_empty()
    assert segments.kept(tmp_path) == (0, 0, 0)
