"""Trends and exports over days that ranges no longer have on disk: they come from the history table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from broker.store import history_table, segments
from broker.store.history import History
from broker.store.history_table import HistoryTableError
from broker.store.unpublished import Unpublished
from cluster import layout
from processor.service.store import Store
from tests.broker.store.test_history_of_ranges import samples

pytest.importorskip("deltalake", reason="deltalake is not installed (pumpwatch[cluster])")

from broker.store.delta_log import Log
from broker.store.table_writer import TableWriter

NOW_MS = 1_700_000_000_000
DAY = 1_440
"""Samples of a day, one a minute."""


def published(data: Path, number: int, seq: list[int], place: str) -> History:
    """Return the history of a range whose samples are on disk and in the table."""
    directory = layout.take_over(data, number, 1)
    store = Store(directory, 10**9, unpublished=Unpublished(directory, 10**9))
    for one in seq:
        store.history.append(samples([one]), NOW_MS, store.unpublished.keep)
    while store.unpublished.waiting():
        TableWriter(Log(place), number, 1, store.unpublished).publish(NOW_MS)
    store.close()
    return store.history


def test_days_that_were_removed_from_disk_are_read_from_the_table(tmp_path):
    data, place = tmp_path / "data", str(tmp_path / "samples")
    history_table.choose(data, place)
    history = published(data, 0, [1, 2, DAY + 1, 2 * DAY + 1], place)
    history.record.remove(history.data / "history" / "date=2026-01-01", "old", lambda _: None)
    assert segments.kept(data)[0] == 2
    assert segments.trend(data, "A", 0)["seq"].to_list() == [1, 2, DAY + 1, 2 * DAY + 1]
    assert segments.height(data, "A", 0) == 4
    found = pl.concat(block.samples for block in segments.blocks(data, None, 0, None))
    assert found["seq"].to_list() == [1, 2, DAY + 1, 2 * DAY + 1]


def test_an_hour_that_was_removed_comes_from_the_table_and_the_others_are_there_once(tmp_path):
    data, place = tmp_path / "data", str(tmp_path / "samples")
    history_table.choose(data, place)
    history = published(data, 0, [1, 61], place)
    history.record.remove(history.data / "history" / "date=2026-01-01" / "hour=00", "old", lambda _: None)
    assert segments.trend(data, "A", 0)["seq"].to_list() == [1, 61]


def test_the_table_is_not_asked_for_what_is_on_disk(tmp_path):
    data, place = tmp_path / "data", str(tmp_path / "samples")
    history_table.choose(data, place)
    history = published(data, 0, [1, DAY + 1], place)
    history.record.remove(history.data / "history" / "date=2026-01-01", "old", lambda _: None)
    (tmp_path / "samples").rename(tmp_path / "elsewhere")
    assert segments.trend(data, "A", segments.DAY_MS * 20_455)["seq"].to_list() == [DAY + 1]
    with pytest.raises(OSError, match=r"history table .* cannot be used"):
        segments.trend(data, "A", 0)


def test_all_nodes_use_the_table_that_the_first_one_chose(tmp_path):
    assert history_table.choose(tmp_path, "") is None
    assert history_table.choose(tmp_path, "s3://bucket/samples/") == "s3://bucket/samples"
    assert history_table.choose(tmp_path, "") == "s3://bucket/samples"
    with pytest.raises(HistoryTableError, match="is s3://bucket/samples, but s3://other/samples was given"):
        history_table.choose(tmp_path, "s3://other/samples")


@pytest.mark.parametrize("url", ["http://host/x", "s3://", "s3://key:secret@bucket/x", "ftp://a/b"])
def test_an_address_that_is_no_place_for_a_table_is_refused_without_quoting_it(tmp_path, url):
    with pytest.raises(HistoryTableError, match="cannot be used; give a directory") as refused:
        history_table.choose(tmp_path, url)
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "history-table.json").exists()


def test_a_file_that_says_nothing_about_the_table_is_reported(tmp_path):
    (tmp_path / "history-table.json").write_text("{")
    with pytest.raises(HistoryTableError, match=r"history-table.json cannot be read"):
        history_table.choose(tmp_path, "")
