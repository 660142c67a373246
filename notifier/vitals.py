"""Vitals of the notifier: its metrics and its readiness, from the status that it writes."""

from __future__ import annotations

from collections.abc import Iterator

from broker.metrics.readings import Reading
from broker.store.notification_files import Status


def problems(status: Status | None) -> list[str]:
    """Return the codes of what keeps people from being notified."""
    if status is None:
        return ["starting"]
    return (["configuration_invalid"] if status.problem else []) + (["service_failing"] if status.failing else [])


def read(status: Status | None) -> Iterator[Reading]:
    """Yield the readings of a status; nothing before the first."""
    if status is None:
        return
    yield Reading("pumpwatch_notifications_waiting", status.waiting)
    for outcome in ("sent", "dead", "cancelled", "limited"):
        yield Reading("pumpwatch_notifications_total", getattr(status, outcome), (outcome,))
    yield Reading("pumpwatch_notification_services_failing", len(status.failing))
    if status.oldest is not None:
        yield Reading("pumpwatch_notification_oldest_timestamp_seconds", status.oldest / 1000)
    if status.heartbeat is not None:
        yield Reading("pumpwatch_watchdog_heartbeat_timestamp_seconds", status.heartbeat / 1000)
