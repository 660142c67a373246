"""Retention of the history: neither a sample nor a clock that is wrong deletes it, and what goes, goes slowly."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from broker.store import rollup
from broker.store.history import History
from broker.store.retention import PERIOD_MS, Removed
from broker.store.segments import DAY_MS, HOUR_MS, trend

from .days import START_MS

IN_2098 = 4_039_374_839_932
MINUTE = PERIOD_MS


def record_days(history: History, samples, days: int, *, stamp: int = 0) -> int:
    """Append one sample a day, numbered by days; return the therapy clock at the end of the last day."""
    for day in range(days):
        history.append(samples(time=[START_MS + day * DAY_MS], seq=[day]), stamp)
    return START_MS + days * DAY_MS - 1


def wait(history: History, clock_ms: int | None, *, minutes: int = 60, since: int = 0) -> None:
    """Let the background work go on for some minutes."""
    for minute in range(since, since + minutes + 1):
        while history.merge(minute * MINUTE, clock_ms):
            pass


def days_kept(data: Path) -> list[int]:
    return trend(data, "A", 0)["seq"].to_list()


def test_one_sample_from_2098_does_not_delete_the_history(tmp_path, samples):
    history = History(tmp_path, max_days=30)
    clock = record_days(history, samples, 31)
    history.append(samples(time=[IN_2098], seq=[99]), 0)
    wait(history, clock)
    assert days_kept(tmp_path) == [*range(31), 99]


@pytest.mark.parametrize("clock", [IN_2098 + DAY_MS, 2**62, 0, 946_684_800_000, None])
def test_a_clock_that_is_wrong_by_years_deletes_no_day_of_those_to_keep(tmp_path, samples, clock):
    history = History(tmp_path, max_days=30)
    record_days(history, samples, 31)
    wait(history, clock)
    assert days_kept(tmp_path) == list(range(31))


def test_a_wrong_clock_and_a_sample_from_2098_together_cost_one_day_at_most(tmp_path, samples):
    history = History(tmp_path, max_days=30)
    record_days(history, samples, 31)
    history.append(samples(time=[IN_2098], seq=[99]), 0)
    wait(history, IN_2098 + DAY_MS)
    assert days_kept(tmp_path) == [*range(1, 31), 99]


def test_days_beyond_those_to_keep_go_and_the_current_day_is_not_one_of_them(tmp_path, samples):
    history = History(tmp_path, max_days=2)
    clock = record_days(history, samples, 5)
    wait(history, clock)
    assert days_kept(tmp_path) == [2, 3, 4]
    assert (history.expired, history.removed) == (2, 0)
    assert history.bytes == sum(path.stat().st_size for path in (tmp_path / "history").rglob("*.parquet"))


def test_at_most_a_tenth_of_the_days_is_deleted_within_a_minute(tmp_path, samples):
    history = History(tmp_path, max_days=1)
    clock = record_days(history, samples, 40)
    kept = []
    for minute in range(4):
        wait(history, clock, minutes=0, since=minute)
        kept.append(len(days_kept(tmp_path)))
    assert kept == [40, 36, 33, 30]


def test_a_wall_clock_that_is_set_ahead_by_years_deletes_no_more_at_once(tmp_path, samples):
    history = History(tmp_path, max_days=1)
    clock = record_days(history, samples, 40)
    for stamp in (0, IN_2098, IN_2098 + 1):
        while history.merge(stamp, clock):
            pass
    assert len(days_kept(tmp_path)) == 36


def test_a_processor_that_restarts_again_and_again_deletes_no_faster(tmp_path, samples):
    clock = record_days(History(tmp_path), samples, 20)
    for second in range(30):
        History(tmp_path, max_days=1).merge(second * MINUTE, clock)
    assert len(days_kept(tmp_path)) == 20


def test_a_smaller_disk_limit_by_mistake_deletes_a_tenth_of_the_history_at_once_and_goes_on(tmp_path, samples):
    record_days(History(tmp_path), samples, 50)
    history = History(tmp_path, max_bytes=1)
    history.append(samples(time=[START_MS + 50 * DAY_MS], seq=[50]), 0)
    assert days_kept(tmp_path)[0] in (5, 6)
    for minute in range(1, 50):
        history.append(samples(time=[START_MS + 50 * DAY_MS], seq=[50]), minute * MINUTE)
    assert days_kept(tmp_path) == [50]


def test_a_device_in_2098_that_fills_the_disk_loses_its_own_samples_before_those_of_others(tmp_path, samples):
    history = History(tmp_path)
    clock = record_days(history, samples, 10)
    wait(history, clock, minutes=3)
    history.max_bytes = 2 * history.bytes
    for hour in range(50):
        history.append(samples(time=[IN_2098 + hour * HOUR_MS], seq=[100 + hour]), 4 * MINUTE + hour)
    kept = days_kept(tmp_path)
    assert kept[:10] == list(range(10))
    assert kept[-1] == 149
    assert history.bytes <= history.max_bytes


def test_a_lone_day_in_2098_is_rolled_up_and_the_current_day_stays_open(tmp_path, samples):
    history = History(tmp_path)
    clock = record_days(history, samples, 3)
    history.append(samples(time=[IN_2098], seq=[99]), 0)
    wait(history, clock, minutes=3)
    open_days = {path.parent.name for path in (tmp_path / "history").glob("date=*/hour=*")}
    assert open_days == {"date=2026-01-03"}
    assert rollup.rolled(tmp_path, "A", IN_2098, IN_2098)["samples"].to_list() == [1]
    assert rollup.rolled(tmp_path, "A", START_MS, START_MS + DAY_MS)["samples"].to_list() == [1, 1]


def test_a_directory_that_is_no_day_is_left_alone(tmp_path, samples):
    history = History(tmp_path, max_days=1)
    clock = record_days(history, samples, 3)
    (tmp_path / "history" / "date=of my notes").mkdir()
    wait(history, clock)
    assert days_kept(tmp_path) == [1, 2]
    assert (tmp_path / "history" / "date=of my notes").exists()


def test_what_was_deleted_is_told_with_days_bytes_and_reason(tmp_path, samples):
    history = History(tmp_path, max_days=2)
    clock = record_days(history, samples, 5)
    before = history.bytes
    wait(history, clock)
    [removed] = history.record.take()
    assert sorted(removed.days) == ["2026-01-01", "2026-01-02"]
    assert 0 < removed.bytes < before
    assert str(removed).startswith("2026-01-01, 2026-01-02: ")
    assert "--history-days" in str(removed)
    assert history.record.take() == []


def test_of_many_deleted_days_the_text_lists_some_and_the_last():
    days = {f"2026-01-{day:02d}" for day in range(1, 15)}
    assert "2026-01-10 and 4 more until 2026-01-14: 1,000 bytes removed; why" in str(Removed("why", days, 1000))


def test_a_day_that_could_only_partly_be_deleted_is_told_and_its_bytes_stay_right(tmp_path, samples, monkeypatch):
    history = History(tmp_path, max_days=1)
    clock = record_days(history, samples, 3)

    def remove_files_only(place: Path) -> None:
        for file in place.rglob("*.parquet"):
            file.unlink()
        raise PermissionError(13, "not allowed")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", remove_files_only)
        with pytest.raises(PermissionError):
            wait(history, clock)
    assert history.bytes == sum(path.stat().st_size for path in (tmp_path / "history").rglob("*.parquet"))
    assert [removed.days for removed in history.record.take()] == [{"2026-01-01"}]
