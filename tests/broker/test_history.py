"""The record of all samples: written in segments, merged, bounded, read as one."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import polars as pl
import pytest

from broker import history as history_module
from broker import rollup, segments
from broker.history import LINGER_MS, MERGED, SETTLED_MS, History
from broker.segments import DAY_MS, HOUR_MS, trend
from broker.signals import SAMPLE_SCHEMA

START_MS = 1_767_225_600_000


def levels(data) -> list[str]:
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
    assert levels(tmp_path) == ["0"] * MERGED
    merge_all(history)
    assert levels(tmp_path) == ["1"]
    for at in range(MERGED, MERGED * MERGED + 3):
        history.append(samples(time=[START_MS + at], seq=[at]), at)
        merge_all(history)
    assert levels(tmp_path) == ["0", "0", "0", "2"]
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
    assert levels(tmp_path) == ["1"]


def test_the_oldest_hours_go_when_the_disk_is_to_hold_no_more(tmp_path, samples):
    history = History(tmp_path, max_bytes=25_000)
    for hour in range(40):
        history.append(samples(time=[START_MS + hour * HOUR_MS], seq=[hour]), hour)
    kept = trend(tmp_path, "A", 0)["seq"].to_list()
    assert kept == list(range(40 - len(kept), 40))
    assert 1 < len(kept) < 20
    assert history.bytes <= 25_000
    assert history.removed == 40 - len(kept)
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
    assert levels(tmp_path) == ["0"] * MERGED + ["1"]
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


def days_of(history: History, samples, days: int, *, pumps: str = "AB", every_ms: int = HOUR_MS // 4) -> None:
    """Append some days of samples whose flow counts them, hour by hour."""
    for hour in range(24 * days):
        times = [START_MS + hour * HOUR_MS + at for at in range(0, HOUR_MS, every_ms)]
        numbers = [(time - START_MS) // every_ms for time in times]
        for pump in pumps:
            history.append(samples(pump=[pump] * len(times), time=times, seq=numbers, flow_ul_h=numbers), hour)


def close_all(history: History) -> None:
    """Do all that is to be done in the background, and let what was merged go."""
    for stamp in (1_000_000, 1_000_000 + LINGER_MS):
        while history.merge(stamp):
            pass


def test_a_day_that_is_over_is_put_together_and_the_newest_stays_as_it_is(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 2)
    before = trend(tmp_path, "A", 0)
    close_all(history)
    first, second = sorted((tmp_path / "history").glob("date=*"))
    assert [path.name.partition("-")[0] for path in first.iterdir()] == ["day"]
    assert len(list(second.glob("hour=*"))) == 24
    assert trend(tmp_path, "A", 0).equals(before)
    assert before["seq"].to_list() == list(range(192))
    assert trend(tmp_path, "B", START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)["seq"].to_list() == [4, 5, 6, 7, 8]


def test_a_day_to_which_something_was_added_just_now_is_left_alone(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 2)
    while history.merge(47 + SETTLED_MS - 30):
        pass
    assert not list(tmp_path.rglob("day-*"))


def test_a_large_day_is_put_together_in_parts_that_fit_into_memory(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(history_module, "BLOCK_ROWS", 100)
    history = History(tmp_path)
    days_of(history, samples, 2, pumps="ABCD", every_ms=HOUR_MS // 30)
    before = {pump: trend(tmp_path, pump, 0) for pump in "ABCD"}
    close_all(history)
    first = min((tmp_path / "history").glob("date=*"))
    assert len(list(first.glob("day-*"))) == 4
    assert {path.parent for path in first.rglob("*.parquet")} == {first}
    assert all(trend(tmp_path, pump, 0).equals(before[pump]) for pump in "ABCD")
    assert rollup.rolled(tmp_path, "D", START_MS, START_MS + DAY_MS - 1)["samples"].to_list() == [30] * 24


def test_what_comes_late_is_put_together_with_its_day_again(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 2)
    close_all(history)
    history.append(samples(time=[START_MS + 1], seq=[999], flow_ul_h=[-5]), 0)
    assert trend(tmp_path, "A", 0, START_MS + 1)["seq"].to_list() == [0, 999]
    close_all(history)
    assert trend(tmp_path, "A", 0, START_MS + 1)["seq"].to_list() == [0, 999]
    assert len(list(min((tmp_path / "history").glob("date=*")).rglob("*.parquet"))) == 1
    assert rollup.rolled(tmp_path, "A", START_MS, START_MS)["flow_ul_h.min"].to_list() == [-5]


def test_a_crash_while_a_day_is_put_together_loses_and_doubles_nothing(tmp_path, samples, monkeypatch):
    history = History(tmp_path)
    days_of(history, samples, 2)
    before = trend(tmp_path, "B", 0)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rollup, "put_in_place", power_cut)
        with pytest.raises(KeyboardInterrupt):
            close_all(history)
    assert trend(tmp_path, "B", 0).equals(before)
    close_all(History(tmp_path))
    assert trend(tmp_path, "B", 0).equals(before)
    assert len(list(min((tmp_path / "history").glob("date=*")).rglob("*.parquet"))) == 1
    assert not list(tmp_path.rglob("*.new"))


def test_an_hour_in_short_is_least_greatest_mean_and_last_whether_rolled_up_or_not(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 3)
    asked = (tmp_path, "B", START_MS + 5 * HOUR_MS + 17, START_MS + 50 * HOUR_MS)
    loose = rollup.rolled(*asked)
    close_all(history)
    assert len(list((tmp_path / "rollup" / "hour").glob("date=*"))) == 2
    short = rollup.rolled(*asked)
    assert short.equals(loose)
    assert dict(short.schema) == rollup.SCHEMA
    assert short["time"].to_list() == [START_MS + hour * HOUR_MS for hour in range(5, 51)]
    said = short.select("samples", *(f"flow_ul_h.{kind}" for kind in rollup.KINDS)).rows()
    assert said[0] == (4, 20, 23, 21.5, 23)
    assert short["battery_v.mean"].null_count() == short.height
    assert not list((tmp_path / "rollup").glob("minute/*"))


def sparse_days(history: History, samples, days: int) -> None:
    """Append some days of two pumps that say something every eight hours, from a Thursday on."""
    times = [START_MS + at * 8 * HOUR_MS for at in range(3 * days)]
    numbers = list(range(len(times)))
    for pump in "AB":
        history.append(samples(pump=[pump] * len(times), time=times, seq=numbers, flow_ul_h=numbers), 0)


def test_the_hours_of_a_week_that_is_over_are_put_together_and_read_as_before(tmp_path, samples):
    history = History(tmp_path)
    sparse_days(history, samples, 6)
    asked = (tmp_path, "B", START_MS, START_MS + 6 * DAY_MS)
    loose = rollup.rolled(*asked)
    close_all(history)
    assert sorted(path.name for path in (tmp_path / "rollup" / "hour").iterdir()) == [
        "date=2026-01-05", "week=2025-12-29",
    ]  # fmt: skip
    assert rollup.rolled(*asked).equals(loose)
    assert history.rollup_bytes == sum(path.stat().st_size for path in (tmp_path / "rollup").rglob("*.parquet"))
    part = rollup.rolled(tmp_path, "B", START_MS + 3 * DAY_MS, START_MS + 4 * DAY_MS)
    assert part["time"].to_list() == [START_MS + 3 * DAY_MS + hour * HOUR_MS for hour in (0, 8, 16, 24)]


def test_what_comes_late_for_a_week_that_was_put_together_is_taken_into_it(tmp_path, samples):
    history = History(tmp_path)
    sparse_days(history, samples, 5)
    close_all(history)
    history.append(samples(time=[START_MS + 1], seq=[9999], flow_ul_h=[-5]), 0)
    close_all(history)
    first = rollup.rolled(tmp_path, "A", START_MS, START_MS + 8 * HOUR_MS)
    assert first.select("samples", "flow_ul_h.min").rows() == [(2, -5.0), (1, 1.0)]
    assert not list((tmp_path / "rollup" / "hour").glob("date=2026-01-0*"))


def test_a_crash_while_a_week_is_put_together_loses_and_doubles_no_hour(tmp_path, samples, monkeypatch):
    history = History(tmp_path)
    sparse_days(history, samples, 5)
    before = rollup.rolled(tmp_path, "B", START_MS, START_MS + 5 * DAY_MS)

    unlink = Path.unlink

    def power_cut(path: Path, **rest: bool) -> None:
        if path.is_relative_to(tmp_path / "rollup") and path.parent.name == "date=2026-01-03":
            raise KeyboardInterrupt
        unlink(path, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", power_cut)
        with pytest.raises(KeyboardInterrupt):
            close_all(history)
    assert rollup.rolled(tmp_path, "B", START_MS, START_MS + 5 * DAY_MS).equals(before)
    close_all(History(tmp_path))
    assert rollup.rolled(tmp_path, "B", START_MS, START_MS + 5 * DAY_MS).equals(before)
    assert len(list((tmp_path / "rollup" / "hour").iterdir())) == 1


def test_minutes_are_rolled_up_where_samples_come_more_often(tmp_path, samples):
    history = History(tmp_path)
    for day in range(2):
        times = [START_MS + day * DAY_MS + at * 10_000 for at in range(60)]
        history.append(samples(time=times, flow_ul_h=list(range(60))), day)
    close_all(history)
    assert len(list((tmp_path / "rollup" / "minute").glob("date=*"))) == 1
    found = rollup.rolled(tmp_path, "A", START_MS, START_MS + DAY_MS, step=rollup.MINUTE)
    assert found["flow_ul_h.max"].to_list() == [5, 11, 17, 23, 29, 35, 41, 47, 53, 59, 5]


def test_a_line_to_draw_has_the_peaks_of_every_hour(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 1)
    line = rollup.line(tmp_path, "A", START_MS, START_MS + 2 * HOUR_MS - 1)
    assert line["flow_ul_h"].to_list() == [0, 3, 4, 7]
    assert line["time"].is_sorted()
    assert rollup.line(tmp_path, "nobody", START_MS, START_MS + HOUR_MS).height == 0


def test_days_beyond_the_age_go(tmp_path, samples):
    history = History(tmp_path, max_days=2)
    days_of(history, samples, 5)
    close_all(history)
    kept = trend(tmp_path, "A", 0)["seq"]
    assert kept.min() == 2 * 96
    assert history.removed == 0
    assert history.bytes == sum(path.stat().st_size for path in (tmp_path / "history").rglob("*.parquet"))


def test_roll_ups_beyond_their_share_go_the_oldest_first(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(history_module, "ROLLUP_SHARE", 10_000)
    history = History(tmp_path, max_bytes=10_000 * 30_000)
    days_of(history, samples, 4)
    close_all(history)
    kept = sorted(path.name for path in (tmp_path / "rollup" / "hour").iterdir())
    assert kept[-1] == "date=2026-01-03"
    assert 0 < len(kept) < 3
    assert history.rollup_bytes == sum(path.stat().st_size for path in (tmp_path / "rollup").rglob("*.parquet"))
    assert rollup.rolled(tmp_path, "A", START_MS, START_MS)["samples"].to_list() == [4]


def test_what_was_half_written_when_the_power_failed_is_removed_at_the_start(tmp_path, samples):
    History(tmp_path).append(samples(seq=[1]), 1)
    whole = next(tmp_path.rglob("*.parquet"))
    half = whole.with_name(f".{whole.name}.new")
    half.write_bytes(whole.read_bytes()[:100])
    History(tmp_path)
    assert not half.exists()
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [1]


@pytest.mark.parametrize("left", [0, 3, 100, -1])
def test_a_segment_that_was_cut_off_is_moved_aside_and_the_others_are_read(tmp_path, samples, left):
    history = History(tmp_path)
    history.append(samples(seq=[1]), 1)
    history.append(samples(seq=[2], time=[START_MS + 1]), 2)
    harmed = min(tmp_path.rglob("*.parquet"))
    harmed.write_bytes(harmed.read_bytes()[:left])
    again = History(tmp_path)
    assert [path.name for path in again.unreadable] == [harmed.name]
    assert again.unreadable[0].is_relative_to(tmp_path / "history.unreadable-1")
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [2]


def test_a_clock_that_steps_back_overwrites_nothing(tmp_path, samples):
    for seq in (1, 2, 3):
        History(tmp_path).append(samples(time=[START_MS + seq], seq=[seq]), 5)
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [1, 2, 3]


def test_a_pump_whose_clock_began_anew_keeps_both_its_lives(tmp_path, samples):
    history = History(tmp_path)
    for boot in (1, 2):
        history.append(samples(boot=[boot], seq=[1]), boot)
    assert trend(tmp_path, "A", 0)["boot"].to_list() == [1, 2]


def test_everything_is_read_in_blocks_that_fit_into_memory(tmp_path, samples):
    history = History(tmp_path)
    days_of(history, samples, 2, pumps="ABC")
    blocks = list(segments.blocks(tmp_path, {"A", "C"}, START_MS, START_MS + 30 * HOUR_MS, rows=50))
    assert [sorted(set(block.samples["pump"])) for block in blocks] == [["A"], ["C"], ["A", "C"]]
    said = [seq for block in blocks for seq in block.samples["seq"]]
    assert said == [*range(96), *range(96), *range(96, 121), *range(96, 121)]
    assert [block.done for block in blocks] == [0.25, 0.5, 1.0]
