"""Metering: rates, latency, lag and troubles of the processor itself."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.mqtt.block_reader import Message
from processor.pipeline import Pipeline
from processor.service.metering import Meter

START_MS = 1_767_225_600_000


@pytest.fixture
def meter():
    return Meter(started=START_MS, broker="mqtt://127.0.0.1:1")


@pytest.fixture
def pipeline():
    return Pipeline()


@pytest.fixture
def health(meter, pipeline):
    """Return a function that gives the health at a time, without a connection."""
    return lambda now=START_MS: meter.health(now, pipeline, [], protocol="MQTT 5", connected=False)


def sent(*ages_ms: int, now: int = START_MS) -> pl.DataFrame:
    times = [None if age is None else now - age for age in ages_ms]
    empty = {name: [None] * len(times) for name in SAMPLE_SCHEMA}
    return pl.DataFrame({**empty, "pump": ["A"] * len(times), "time": [now] * len(times), "sent": times}, SAMPLE_SCHEMA)


def test_the_sample_rate_is_that_of_the_last_five_seconds(meter, health):
    rates = []
    for second in range(12):
        meter.count(sent(*[0] * (100 if second < 6 else 20)))
        rates.append(health(START_MS + 1000 * second).samples_per_s)
    assert rates[0] == 0
    assert rates[5] == pytest.approx(100)
    assert rates[8] == pytest.approx((2 * 100 + 3 * 20) / 5)
    assert rates[11] == pytest.approx(20)


def test_all_messages_and_samples_are_counted(meter, health):
    meter.messages += 4
    meter.count(sent(0, 0))
    meter.count(sent(0))
    shown = health()
    assert (shown.messages, shown.samples, shown.started, shown.broker) == (4, 3, START_MS, "mqtt://127.0.0.1:1")
    assert not shown.connected


def test_latency_is_from_sending_to_the_complete_snapshot(meter, health):
    meter.count(sent(*range(101)))
    assert health().latency_ms == {}
    meter.shown(START_MS + 10, meter.take_unseen())
    assert health().latency_ms == {"p50": 60.0, "p95": 105.0, "p99": 109.0}


def test_a_clock_that_runs_ahead_gives_no_negative_latency_and_a_missing_send_time_gives_none(meter, health):
    meter.count(sent(-5_000, None, None))
    meter.shown(START_MS, meter.take_unseen())
    assert health().latency_ms == {"p50": 0.0, "p95": 0.0, "p99": 0.0}


def test_of_many_latencies_an_even_selection_is_kept(meter, health):
    for _ in range(60):
        meter.count(sent(*range(10_000)))
        meter.shown(START_MS, meter.take_unseen())
    assert len(meter._latencies) == 50_000
    assert health().latency_ms["p50"] == pytest.approx(4_995, abs=10)


def test_a_trouble_is_logged_once_and_shown_until_it_recovers(meter, health, caplog):
    with caplog.at_level(logging.INFO, logger="processor"):
        meter.trouble("storage", "the disk is full")
        meter.trouble("storage", "the disk is still full")
        assert health().notes == ["the disk is still full"]
        meter.recovered("storage")
        meter.recovered("storage")
    assert [record.message for record in caplog.records] == ["the disk is full", "storage: recovered"]
    assert health().notes == []


def test_rejections_are_shown_newest_first(pipeline, health):
    pipeline.quarantine.add("a", 1, "first")
    pipeline.quarantine.add("b", 2, "second")
    shown = health()
    assert [rejection.reason for rejection in shown.refusals] == ["second", "first"]
    assert shown.refused == 2


def test_each_health_has_its_own_version(health):
    assert [health().version for _ in range(3)] == [1, 2, 3]


def test_the_lag_is_that_of_the_latest_snapshot(meter):
    meter.count(sent(1_000, 5_000, 60_000))
    meter.shown(START_MS, meter.take_unseen())
    assert meter.lag_s == 5.0
    meter.shown(START_MS + 9_000, meter.take_unseen())
    assert meter.lag_s == 5.0, "a snapshot without samples does not change it"
    meter.shown(START_MS + 11_000, meter.take_unseen())
    assert meter.lag_s == 0.0


def test_a_count_of_trouble_says_when_it_last_grew(meter, pipeline, health):
    pipeline.quarantine_message(Message("a", b"x", 1, 1, retained=False), START_MS, "of the run before")
    assert health(START_MS).grown == {}
    pipeline.quarantine_message(Message("a", b"x", 1, 1, retained=False), START_MS, "new")
    meter.sessions = 3
    assert health(START_MS + 5_000).grown == {"refused": START_MS + 5_000, "reconnects": START_MS + 5_000}
    assert health(START_MS + 9_000).grown == {"refused": START_MS + 5_000, "reconnects": START_MS + 5_000}
