"""Reading the history, of one pump or all, while a writer merges its files."""

from __future__ import annotations

import threading
import time

import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store import segments
from broker.store.history import History
from broker.store.segments import HOUR_MS, trend

from .days import START_MS, days_of


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


def test_a_pump_whose_clock_began_anew_keeps_both_its_lives(tmp_path, samples):
    history = History(tmp_path)
    for boot in (1, 2):
        history.append(samples(boot=[boot], seq=[1]), boot)
    assert trend(tmp_path, "A", 0)["boot"].to_list() == [1, 2]


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


def test_everything_is_read_in_blocks_that_fit_into_memory(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 2, pumps="ABC")
    blocks = list(segments.blocks(tmp_path, {"A", "C"}, START_MS, START_MS + 30 * HOUR_MS, rows=50))
    assert [sorted(set(block.samples["pump"])) for block in blocks] == [["A"], ["C"], ["A", "C"]]
    numbers = [seq for block in blocks for seq in block.samples["seq"]]
    assert numbers == [*range(96), *range(96), *range(96, 121), *range(96, 121)]
    assert [block.done for block in blocks] == [0.25, 0.5, 1.0]
