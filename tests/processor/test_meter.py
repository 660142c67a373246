"""What the processor says of itself."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from broker.signals import SAMPLE_SCHEMA
from processor.meter import Meter
from processor.part import Settings, _Runner
from processor.readings import FULLNESS, TROUBLE

START_MS = 1_767_225_600_000


@pytest.fixture
def runner(tmp_path):
    """A processor that has not begun to run."""
    runner = _Runner(Settings("mqtt://anna:secret@127.0.0.1:1", tmp_path))
    runner.meter = Meter(started=START_MS, broker="mqtt://127.0.0.1:1")
    yield runner
    runner.store.close()


def sent(*ages_ms: int, now: int = START_MS) -> pl.DataFrame:
    times = [None if age is None else now - age for age in ages_ms]
    empty = {name: [None] * len(times) for name in SAMPLE_SCHEMA}
    return pl.DataFrame({**empty, "pump": ["A"] * len(times), "time": [now] * len(times), "sent": times}, SAMPLE_SCHEMA)


def test_the_rate_is_that_of_the_last_five_seconds(runner):
    rates = []
    for second in range(12):
        runner.meter.count(1, sent(*[0] * (100 if second < 6 else 20)))
        rates.append(runner.health(START_MS + 1000 * second).samples_per_s)
    assert rates[0] == 0
    assert rates[5] == pytest.approx(100)
    assert rates[8] == pytest.approx((2 * 100 + 3 * 20) / 5)
    assert rates[11] == pytest.approx(20)


def test_everything_taken_in_is_counted(runner):
    runner.meter.count(3, sent(0, 0))
    runner.meter.count(1, sent(0))
    health = runner.health(START_MS)
    assert (health.messages, health.samples, health.started, health.broker) == (4, 3, START_MS, "mqtt://127.0.0.1:1")
    assert not health.connected


def test_latency_is_from_sending_to_the_complete_snapshot(runner):
    runner.meter.count(1, sent(*range(101)))
    assert runner.health(START_MS).latency_ms == {}
    runner.meter.shown(START_MS + 10)
    assert runner.health(START_MS).latency_ms == {"p50": 60.0, "p95": 105.0, "p99": 109.0}


def test_a_clock_that_runs_ahead_is_no_negative_latency_and_no_send_time_is_none(runner):
    runner.meter.count(1, sent(-5_000, None, None))
    runner.meter.shown(START_MS)
    assert runner.health(START_MS).latency_ms == {"p50": 0.0, "p95": 0.0, "p99": 0.0}


def test_of_a_flood_an_even_selection_is_kept(runner):
    for _ in range(60):
        runner.meter.count(1, sent(*range(10_000)))
        runner.meter.shown(START_MS)
    assert len(runner.meter._latencies) == 50_000
    assert runner.health(START_MS).latency_ms["p50"] == pytest.approx(4_995, abs=10)


def test_trouble_is_logged_once_and_shown_until_it_is_over(runner, caplog):
    with caplog.at_level(logging.INFO, logger="processor"):
        runner.meter.trouble("storage", "the disk is full")
        runner.meter.trouble("storage", "the disk is still full")
        assert runner.health(START_MS).notes == ["the disk is still full"]
        runner.meter.recovered("storage")
        runner.meter.recovered("storage")
    assert [record.message for record in caplog.records] == ["the disk is full", "storage: well again"]
    assert runner.health(START_MS).notes == []


def test_every_bound_is_told_with_its_limit_and_how_often_it_was_reached(runner):
    runner.pipeline.quarantine.put("a", 1, "x")
    runner.intake.overflows = 2
    bounds = {bound.name: bound for bound in runner.health(START_MS).bounds}
    assert all(bound.limit > 0 and bound.value <= bound.limit for bound in bounds.values())
    assert bounds["messages waiting"].reached == 2
    assert {"samples not yet written", "history on disk", "quarantine file", "pumps known"} <= set(bounds)


def test_refusals_are_told_the_newest_first(runner):
    runner.pipeline.quarantine.put("a", 1, "first")
    runner.pipeline.quarantine.put("b", 2, "second")
    health = runner.health(START_MS)
    assert [refusal.reason for refusal in health.refusals] == ["second", "first"]
    assert health.refused == 2


def test_each_health_is_another_version(runner):
    assert [runner.health(START_MS).version for _ in range(3)] == [1, 2, 3]


def test_what_fails_and_how_full_everything_is_is_read_once_a_second_for_the_systems_rules(runner):
    runner.meter.trouble("storage", "the disk is full")
    read = runner._readings()
    assert read.filter(what=TROUBLE)["text"].to_list() == ["the disk is full"]
    named = [bound.name for bound in runner.health(START_MS).bounds if bound.warn_at is not None]
    assert read.filter(what=FULLNESS)["part"].to_list() == named
    assert "disk" in named
    assert runner._readings() is None


def test_what_was_moved_aside_is_trouble_until_somebody_takes_it_away(runner):
    aside = runner.settings.data / "checkpoint.unreadable-1"
    aside.mkdir()
    runner._look_for_unreadable()
    assert "checkpoint.unreadable-1" in runner.meter.troubles["stored records"]
    aside.rename(runner.settings.data / "elsewhere")
    runner._look_for_unreadable()
    assert runner.meter.troubles == {}


def test_the_lag_is_that_of_the_latest_snapshot(runner):
    runner.meter.count(1, sent(1_000, 5_000, 60_000))
    runner.meter.shown(START_MS)
    assert runner.meter.lag_s == 5.0
    runner.meter.shown(START_MS + 9_000)
    assert runner.meter.lag_s == 5.0, "a snapshot without samples says nothing of it"
    runner.meter.shown(START_MS + 11_000)
    assert runner.meter.lag_s == 0.0
