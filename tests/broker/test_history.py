"""The record of all samples: written in segments, merged, bounded, read as one."""

from __future__ import annotations

import threading
import time

import polars as pl
import pytest

from broker.history import HOUR_MS, LINGER_MS, MERGED, History, trend
from broker.signals import SAMPLE_SCHEMA

START_MS = 1_767_225_600_000


def segments(data) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in data.rglob("*.parquet"))


def merge_all(history: History) -> None:
    while history.merge(stamp=1):
        pass
    history.merge(stamp=1 + LINGER_MS)


def test_a_trend_is_one_pumps_samples_between_two_times_in_order(tmp_path, samples):
    history = History(tmp_path)
    history.append(samples(pump=["A", "B", "A", "A"], flow_ul_h=[1, 2, 3, 4])[::-1], 1)
    found = trend(tmp_path, "A", START_MS)
    assert found["flow_ul_h"].to_list() == [1, 3, 4]
    assert dict(found.schema) == SAMPLE_SCHEMA
    assert trend(tmp_path, "A", START_MS + 1, START_MS + 120_000)["flow_ul_h"].to_list() == [3]
    assert trend(tmp_path, "C", START_MS).height == 0
    assert trend(tmp_path / "nowhere", "A", 0).height == 0


def test_a_trend_goes_over_hours_and_days(tmp_path, samples):
    times = [START_MS + hour * HOUR_MS for hour in (-30, -1, 0, 1, 50)]
    History(tmp_path).append(samples(time=times, seq=[1, 2, 3, 4, 5]), 1)
    assert len(list(tmp_path.rglob("hour=*"))) == 5
    assert trend(tmp_path, "A", times[0])["seq"].to_list() == [1, 2, 3, 4, 5]
    assert trend(tmp_path, "A", times[1], times[3])["seq"].to_list() == [2, 3, 4]
    assert trend(tmp_path, "A", times[4] + 1)["seq"].to_list() == []


def test_what_was_written_twice_is_read_once(tmp_path, samples):
    history = History(tmp_path)
    for stamp in (1, 2):
        history.append(samples(seq=[1, 2, 3]), stamp)
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [1, 2, 3]


def test_small_segments_become_larger_ones_level_by_level(tmp_path, samples):
    history = History(tmp_path)
    for at in range(MERGED):
        history.append(samples(time=[START_MS + at], seq=[at]), at)
    assert segments(tmp_path) == ["0"] * MERGED
    merge_all(history)
    assert segments(tmp_path) == ["1"]
    for at in range(MERGED, MERGED * MERGED + 3):
        history.append(samples(time=[START_MS + at], seq=[at]), at)
        merge_all(history)
    assert segments(tmp_path) == ["0", "0", "0", "2"]
    assert trend(tmp_path, "A", START_MS)["seq"].to_list() == list(range(MERGED * MERGED + 3))


def test_the_bytes_on_disk_are_known_also_after_a_restart(tmp_path, samples):
    history = History(tmp_path)
    for at in range(MERGED + 2):
        history.append(samples(time=[START_MS + at * 1000 * 60 * 10], seq=[at]), at)
    merge_all(history)
    on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert history.bytes == on_disk == History(tmp_path).bytes


def test_what_was_left_to_merge_is_merged_after_a_restart(tmp_path, samples):
    history = History(tmp_path)
    for at in range(MERGED):
        history.append(samples(time=[START_MS + at]), at)
    merge_all(History(tmp_path))
    assert segments(tmp_path) == ["1"]


def test_the_oldest_hours_go_when_the_disk_is_to_hold_no_more(tmp_path, samples):
    history = History(tmp_path, max_bytes=25_000)
    for hour in range(40):
        history.append(samples(time=[START_MS + hour * HOUR_MS], seq=[hour]), hour)
    kept = trend(tmp_path, "A", 0)["seq"].to_list()
    assert kept == list(range(40 - len(kept), 40))
    assert 1 < len(kept) < 20
    assert history.bytes <= 25_000
    assert history.hours_removed == 40 - len(kept)
    assert len(list(tmp_path.rglob("date=*"))) <= 2


def test_the_last_hour_is_kept_however_large(tmp_path, samples):
    history = History(tmp_path, max_bytes=1)
    for hour in range(3):
        history.append(samples(time=[START_MS + hour * HOUR_MS], seq=[hour]), hour)
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [2]


def test_nothing_is_left_half_written(tmp_path, samples):
    History(tmp_path).append(samples(seq=[1]), 1)
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".parquet"]


def test_a_segment_that_was_listed_can_still_be_opened_after_its_merge(tmp_path, samples):
    history = History(tmp_path)
    for at in range(MERGED):
        history.append(samples(time=[START_MS + at], seq=[at]), at)
    listed = list(tmp_path.rglob("*.parquet"))
    while history.merge(stamp=1):
        pass
    assert segments(tmp_path) == ["0"] * MERGED + ["1"]
    assert all(path.exists() for path in listed)
    assert trend(tmp_path, "A", START_MS)["seq"].to_list() == list(range(MERGED))


def test_what_was_written_again_is_merged_into_one(tmp_path, samples):
    history = History(tmp_path)
    for at in range(MERGED):
        history.append(samples(seq=[1, 2, 3]), at)
    merge_all(history)
    [merged] = tmp_path.rglob("*.parquet")
    assert pl.read_parquet(merged, hive_partitioning=False).height == 3


def test_a_reader_that_cannot_keep_up_says_so_instead_of_showing_nothing(tmp_path, samples, monkeypatch):
    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError

    History(tmp_path).append(samples(seq=[1]), 1)
    monkeypatch.setattr(pl, "scan_parquet", gone)
    with pytest.raises(OSError, match="changed 100 times"):
        trend(tmp_path, "A", 0)


def test_a_reader_beside_writer_and_merger_misses_nothing_that_was_written(tmp_path, samples):
    history, written, stop = History(tmp_path), [-1], threading.Event()

    def write() -> None:
        for at in range(64):
            history.append(samples(time=[START_MS + at], seq=[at]), at)
            written[0] = at
        stop.set()

    def merge() -> None:
        while not stop.is_set():
            history.merge(stamp=time.monotonic_ns() // 1_000_000)

    threads = [threading.Thread(target=write), threading.Thread(target=merge)]
    for thread in threads:
        thread.start()
    while not stop.is_set():
        known = written[0]
        assert set(range(known + 1)) <= set(trend(tmp_path, "A", START_MS)["seq"])
    for thread in threads:
        thread.join()
    assert trend(tmp_path, "A", 0).height == 64
    assert isinstance(trend(tmp_path, "A", 0), pl.DataFrame)
