"""Alarms about Pumpwatch itself: storage, dashboards, capacity limits, latency and the wall clock."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.evidence import MAX_BYTES, decode
from broker.store.snapshot import CapacityLimit
from processor.alarms import hold
from processor.alarms.states import state_of
from processor.rules.system import SYSTEM_RULES
from tests.processor.watch.monitored_processor import MINUTE, MonitoredProcessor, limit_at

DISK_FULL = {"storage": "cannot write to the data directory: no space left; nothing is acknowledged"}


def test_normal_readings_raise_no_alarm():
    processor = MonitoredProcessor()
    for _ in range(5):
        processor.read(20, bounds=limit_at(value=40)).check()


def test_a_full_disk_is_an_alarm_after_ten_seconds_and_returns_to_normal_30_seconds_after_space_is_freed():
    processor = MonitoredProcessor().read(troubles=DISK_FULL).check()
    processor.read(9, troubles=DISK_FULL).check()
    processor.read(1, troubles=DISK_FULL).check("raised storage_failing", storage_failing="unacknowledged")
    assert processor.alarms["other"].to_list() == ["system: storage"]
    assert processor.texts == ["Cannot write to the data directory: no space left; nothing is acknowledged"]
    processor.read(1).check(storage_failing="unacknowledged")
    processor.read(29).check(storage_failing="unacknowledged")
    processor.read(1).check("returned storage_failing", storage_failing="returned")


def test_a_brief_disk_failure_raises_no_alarm():
    processor = MonitoredProcessor()
    for _ in range(4):
        processor.read(5, troubles=DISK_FULL).check()
        processor.read(1).check()


def test_a_disk_that_fails_again_within_the_off_delay_is_the_same_alarm():
    processor = MonitoredProcessor().read(troubles=DISK_FULL).read(10, troubles=DISK_FULL)
    processor.read(20).check(storage_failing="unacknowledged")
    processor.read(20, troubles=DISK_FULL).check(storage_failing="unacknowledged")
    processor.read(20).check(storage_failing="unacknowledged")
    processor.read(30).check("returned storage_failing", storage_failing="returned")


def test_a_snapshot_that_cannot_be_written_is_a_high_priority_alarm_about_frozen_screens():
    frozen = {"snapshot": "cannot write"}
    processor = MonitoredProcessor().read(troubles=frozen).read(15, troubles=frozen)
    processor.check("raised screens_frozen", screens_frozen="unacknowledged")
    assert processor.alarms["priority"].to_list() == [1]


def test_each_capacity_limit_that_is_nearly_reached_is_an_alarm_that_names_it():
    nearly_full = [*limit_at(value=91), *limit_at("gaps remembered", 95)]
    processor = MonitoredProcessor().read(bounds=nearly_full).read(MINUTE, bounds=nearly_full)
    assert sorted(processor.alarms["other"]) == ["system: gaps remembered", "system: messages waiting"]
    assert processor.texts[0] == "Messages waiting 91 % full: 91 messages of 100 messages"
    assert [fact.limit for fact in processor.evidence().facts] == [90.0]
    processor.read(bounds=limit_at(value=85)).read(MINUTE, bounds=limit_at(value=85))
    assert processor.events == ["returned bound_near"], "one of them is within the deadband"
    processor.read(bounds=limit_at(value=60)).read(MINUTE, bounds=limit_at(value=60))
    assert processor.alarms["returned"].null_count() == 0


def test_a_store_that_is_full_by_design_raises_no_alarm():
    full = limit_at("history on disk", 100.0, warn_at=None, when_full="oldest removed")
    MonitoredProcessor().read(bounds=full).read(MINUTE, bounds=full).read(MINUTE, bounds=full).check()


@pytest.mark.parametrize(
    ("when_full", "rule"),
    [
        ("delayed", "bound_reached"),
        ("oldest removed", "records_expire"),
        ("discarded", "records_thrown_away"),
        ("pumps refused", "pumps_refused"),
    ],
)
def test_a_capacity_limit_that_is_reached_raises_the_alarm_for_what_is_lost(when_full, rule):
    def at(reached: int) -> list[CapacityLimit]:
        return limit_at("some limit", 50, reached, when_full=when_full)

    processor = MonitoredProcessor().read(bounds=at(7)).check()
    processor.read(bounds=at(9)).check(f"raised {rule}", **{rule: "unacknowledged"})
    assert processor.texts == ["2 times “some limit” was full within 10 min"]
    processor.read(9 * MINUTE, bounds=at(9)).check(**{rule: "unacknowledged"})
    processor.read(2 * MINUTE, bounds=at(9)).check(f"returned {rule}", **{rule: "returned"})


def test_high_latency_is_an_alarm_after_one_minute():
    processor = MonitoredProcessor().read(lag_s=11).read(59, lag_s=40).check()
    processor.read(1, lag_s=40).check("raised processor_lags", processor_lags="unacknowledged")
    assert processor.texts == ["End-to-end latency from gateway to dashboard is 40 s"]
    processor.read(lag_s=1).read(MINUTE, lag_s=1).check("returned processor_lags", processor_lags="returned")


def test_a_full_disk_suppresses_the_alarm_about_the_queue_that_fills_up():
    def disk_full(after_s: float) -> MonitoredProcessor:
        return processor.read(after_s, troubles=DISK_FULL, bounds=limit_at(value=99))

    processor = MonitoredProcessor()
    disk_full(1)
    disk_full(MINUTE)
    states = dict(processor.alarms.select("rule", state_of()).iter_rows())
    assert states == {"storage_failing": "unacknowledged", "bound_near": "suppressed"}


def test_a_wall_clock_step_and_unreadable_records_are_alarms_until_they_are_resolved():
    troubles = {
        "clock": "the clock of this processor was set on by 3,600 s",
        "stored records": "could not be read: journal",
    }
    processor = MonitoredProcessor().read(troubles=troubles)
    assert sorted(processor.events) == ["raised clock_set", "raised records_unreadable"]
    processor.read()
    assert processor.alarms["returned"].null_count() == 0


def test_setting_the_wall_clock_does_not_shorten_the_on_delay():
    processor = MonitoredProcessor().read(troubles=DISK_FULL)
    processor.monitor, processor.wall_s = processor.monitor.shift_wall_clock(3_600_000), processor.wall_s + 3600
    processor.timers = hold.shift(processor.timers, SYSTEM_RULES, 3_600_000)
    processor.read(9, troubles=DISK_FULL).check()
    processor.read(1, troubles=DISK_FULL).check("raised storage_failing", storage_failing="unacknowledged")


@pytest.mark.parametrize("rule", SYSTEM_RULES, ids=lambda rule: rule.name)
def test_every_system_rule_can_raise_an_alarm_with_evidence(rule):
    parts = ("storage", "checkpoint", "snapshot", "merging", "clock", "stored records", "processing", "journal")
    troubles = dict.fromkeys(
        (
            *parts,
            "accounts",
            "second processor",
            "certificate",
            "certificate ending",
            "standstill",
            "notifications",
            "history table",
        ),
        "cannot do it",
    )
    kinds = ("delayed", "oldest removed", "discarded", "pumps refused", "rate exceeded", "grows")

    def reached(times: int) -> list[CapacityLimit]:
        return [each for kind in kinds for each in limit_at(kind, 95, times, when_full=kind)]

    abnormal = {
        "troubles": troubles,
        "lag_s": 100.0,
        "received": 2000,
        "lost": 1000,
        "redelivered": 1000,
        "dropped": 1000,
        "forged": 5,
        "claimed": 5,
    }
    processor = MonitoredProcessor().read(bounds=reached(0))
    for _ in range(6):
        processor.read(MINUTE, bounds=reached(5), refused=1000, **abnormal)
    alarms = processor.alarms.filter(pl.col("rule") == rule.name)
    assert alarms.height
    for text in alarms["evidence"]:
        found = decode(text)
        assert found is not None
        assert found.summary
        assert len(text.encode()) <= MAX_BYTES
