"""Health monitor: troubles and utilization of the processor itself, for the system rules and for dashboards."""

from __future__ import annotations

import pytest

from broker.store.history import DEFAULT_MAX_BYTES
from broker.store.snapshot import Refusal
from processor.intake.message_queue import MessageQueue
from processor.pipeline import Pipeline
from processor.rules.certificates import SOON, URGENT
from processor.service import health
from processor.service.health import CHECK_INTERVAL_S, HealthMonitor
from processor.service.message_log import MessageLog
from processor.service.metering import Meter
from processor.service.store import Store
from processor.watch.readings import FULLNESS, TROUBLE

START_MS = 1_767_225_600_000


@pytest.fixture
def monitor(tmp_path):
    """The health monitor of a processor that has not started to run."""
    store, queue = Store(tmp_path, DEFAULT_MAX_BYTES), MessageQueue(2_000, 1_000_000, 100_000)
    meter = Meter(started=START_MS, broker="mqtt://127.0.0.1:1")
    yield HealthMonitor(
        tmp_path, meter, Pipeline(), store, queue, MessageLog(tmp_path), receive_maximum=1_000, max_rows=10_000
    )
    store.close()


def limits_of(monitor):
    return monitor.health(START_MS, protocol="MQTT 5", connected=False).bounds


def test_every_capacity_limit_is_shown_with_how_often_it_was_reached(monitor):
    monitor.store.quarantine.add([Refusal("a", 1, "x")])
    monitor.queue.overflows = 2
    limits = {limit.name: limit for limit in limits_of(monitor)}
    assert all(limit.limit > 0 and limit.value <= limit.limit for limit in limits.values())
    assert limits["messages waiting"].reached == 2
    assert limits["rejected messages not yet written"].value == 1
    assert {"samples not yet written", "history on disk", "quarantine file", "pumps known"} <= set(limits)


def test_troubles_and_utilization_are_read_once_a_second_for_the_system_rules(monitor):
    monitor.meter.trouble("storage", "the disk is full")
    readings = monitor.readings(0.0)
    assert readings.filter(what=TROUBLE)["text"].to_list() == ["the disk is full"]
    names = [limit.name for limit in limits_of(monitor) if limit.warn_at is not None]
    assert readings.filter(what=FULLNESS)["part"].to_list() == names
    assert "disk" in names
    assert monitor.readings(0.99 * CHECK_INTERVAL_S) is None
    assert monitor.readings(CHECK_INTERVAL_S) is not None


def test_unreadable_files_moved_aside_are_a_trouble_until_they_are_removed(monitor):
    aside = monitor.data / "checkpoint.unreadable-1"
    aside.mkdir()
    monitor.check_unreadable()
    assert "checkpoint.unreadable-1" in monitor.meter.troubles["stored records"]
    aside.rename(monitor.data / "elsewhere")
    monitor.check_unreadable()
    assert monitor.meter.troubles == {}


def test_a_certificate_that_ends_is_a_trouble_looked_for_once_an_hour(monitor, monkeypatch):
    looked = []

    def ending(data, now):
        looked.append(now)
        return (
            {30: "the certificate of the broker expires in 9 d: run pumpwatch keys renew"} if now < 2 else {7: "in 5 d"}
        )

    monkeypatch.setattr(health.certificates, "ending", ending)
    monitor.check_certificates(1, 0.0)
    monitor.check_certificates(2, health.CERTIFICATES_INTERVAL_S - 1)
    assert monitor.meter.troubles == {SOON: "the certificate of the broker expires in 9 d: run pumpwatch keys renew"}
    monitor.check_certificates(2, health.CERTIFICATES_INTERVAL_S)
    assert monitor.meter.troubles == {URGENT: "in 5 d"}
    assert looked == [1, 2]


def test_a_notifier_that_does_not_run_is_a_trouble(monitor):
    monitor.check_notifications(1, 0.0)
    assert monitor.meter.troubles == {}, "nobody configured notifications"
    (monitor.data / "notifications.toml").write_text("")
    monitor.check_notifications(1, health.NOTIFICATIONS_INTERVAL_S)
    assert monitor.meter.troubles == {
        "notifications": "the notifier is not running; nobody is notified of alarms",
    }
