"""Writer of the history: merging, limits, and recovery after a power failure."""

from __future__ import annotations

import polars as pl
import pytest

from broker.store import history as history_module
from broker.store import rollup
from broker.store.history import LINGER_MS, MERGED, SETTLED_MS, History
from broker.store.segments import DAY_MS, HOUR_MS, trend

from .days import START_MS, close_all, days_of


def levels(data) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in data.rglob("*.parquet"))


def merge_all(history: History) -> None:
    while history.merge(stamp=1):
        pass
    history.merge(stamp=1 + LINGER_MS)


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


def test_large_segments_stay_as_they_are_until_their_day_is_over(tmp_path, samples, monkeypatch):
    monkeypatch.setattr(history_module, "LARGE_ROWS", 2)
    history = History(tmp_path)
    for at in range(MERGED):
        history.append(samples(time=[START_MS + at, START_MS + at + 1000], seq=[at, at + 100]), at)
    merge_all(history)
    assert levels(tmp_path) == ["large"] * MERGED
    history.append(samples(time=[START_MS + 3 * DAY_MS]), 1)
    close_all(history)
    assert "large" not in levels(tmp_path)
    assert trend(tmp_path, "A", START_MS)["seq"].len() == 2 * MERGED + 1


def test_closing_a_day_that_is_stopped_can_be_repeated(tmp_path, samples):
    history = History(tmp_path)
    for at in range(3):
        history.append(samples(time=[START_MS + at], seq=[at]), at)
    history.append(samples(time=[START_MS + 3 * DAY_MS], seq=[9]), 1)
    history.stopped.set()
    close_all(history)
    assert levels(tmp_path) == ["0"] * 4
    close_all(History(tmp_path))
    assert "day" in levels(tmp_path)
    assert trend(tmp_path, "A", START_MS)["seq"].to_list() == [0, 1, 2, 9]


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
    truncated = min(tmp_path.rglob("*.parquet"))
    truncated.write_bytes(truncated.read_bytes()[:left])
    again = History(tmp_path)
    assert [path.name for path in again.unreadable] == [truncated.name]
    assert again.unreadable[0].is_relative_to(tmp_path / "history.unreadable-1")
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [2]


def test_a_clock_that_steps_back_overwrites_nothing(tmp_path, samples):
    for seq in (1, 2, 3):
        History(tmp_path).append(samples(time=[START_MS + seq], seq=[seq]), 5)
    assert trend(tmp_path, "A", 0)["seq"].to_list() == [1, 2, 3]


def test_samples_from_before_a_signal_was_added_are_merged_and_rolled_up_with_that_signal_unknown(tmp_path, samples):
    history = History(tmp_path)
    for hour in range(2 * 24):
        for half in range(MERGED):
            time = START_MS + hour * HOUR_MS + half * 60_000
            frame = samples(time=[time], seq=[hour * MERGED + half], temperature_c=[37.0])
            history.append(frame.drop("temperature_c") if (hour + half) % 2 else frame, hour)
    before = trend(tmp_path, "A", 0)
    assert (before.height, before["temperature_c"].null_count()) == (48 * MERGED, 24 * MERGED)
    close_all(history)
    assert trend(tmp_path, "A", 0).equals(before)
    assert history.unreadable == []
    hours = rollup.rolled(tmp_path, "A", START_MS, START_MS + DAY_MS - 1)
    assert hours["samples"].to_list() == [MERGED] * 24
    assert set(hours["temperature_c.mean"].to_list()) == {37.0}
