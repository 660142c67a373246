"""What the reports say about the broker over time."""

from __future__ import annotations

from broker.mqtt.link import Message
from trials.load.followed import Followed
from trials.load.observer import MAX_POINTS, Observer
from trials.load.outcome import counter_course

RECEIVED = "$SYS/broker/bytes/received"


def observed(values: list[int]) -> Observer:
    clock = iter(range(0, 1000 * len(values), 1000))
    observer = Observer(Followed(), lambda: float(next(clock)))
    for value in values:
        observer.receive(Message(RECEIVED, str(value).encode(), 0, 0, retained=False))
    return observer


def test_bytes_that_the_broker_has_counted_are_shown_as_traffic_per_second():
    observer = observed([0, 2_000_000, 2_000_000, 3_000_000])
    course = counter_course("bytes_received", observer.courses["bytes_received"], begin_ms=0.0)
    assert course == {"second": [1.0, 2.0, 3.0], "value": [2.0, 0.0, 1.0]}


def test_a_run_of_many_hours_keeps_a_bounded_course_from_its_begin_to_its_end():
    observer = observed(list(range(3 * MAX_POINTS)))
    points = observer.courses["bytes_received"]
    assert len(points) <= MAX_POINTS
    assert points[-1][1] == 3 * MAX_POINTS - 1
    assert points[0][1] < 10
