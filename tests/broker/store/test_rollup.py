"""Roll-ups: hours, minutes and weeks read the same whether they are on disk or computed from samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.store import history as history_module
from broker.store import rollup
from broker.store.history import History
from broker.store.segments import DAY_MS, HOUR_MS

from .days import START_MS, close_all, days_of


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
    rows = short.select("samples", *(f"flow_ul_h.{kind}" for kind in rollup.KINDS)).rows()
    assert rows[0] == (4, 20, 23, 21.5, 23)
    assert short["battery_v.mean"].null_count() == short.height
    assert not list((tmp_path / "rollup").glob("minute/*"))


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
