"""Metrics and readiness of the notifier."""

from broker.store.notification_files import Status
from notifier import vitals


def test_a_notifier_is_ready_once_its_configuration_can_be_used():
    assert vitals.problems(None) == ["starting"]
    assert vitals.problems(Status(at=1)) == []
    assert vitals.problems(Status(at=1, problem="notifications.toml is not valid")) == ["configuration_invalid"]


def test_messages_are_counted_by_what_became_of_them():
    status = Status(at=1, waiting=2, sent=5, dead=1, oldest=60_000)
    read = {(one.name, *one.labels): one.value for one in vitals.read(status)}
    assert read["pumpwatch_notifications_total", "sent"] == 5
    assert read["pumpwatch_notifications_total", "dead"] == 1
    assert read["pumpwatch_notification_oldest_timestamp_seconds",] == 60
    assert "pumpwatch_watchdog_heartbeat_timestamp_seconds" not in {name for name, *_ in read}
    assert list(vitals.read(None)) == []
