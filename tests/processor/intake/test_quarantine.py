"""Quarantine: counts rejected payloads, shows the latest, and hands each one over once."""

from __future__ import annotations

from processor.intake.quarantine import EXCERPT_BYTES, MAX_SHOWN, Quarantine


def test_a_rejection_has_topic_time_reason_and_an_excerpt_of_the_payload():
    quarantine = Quarantine()
    quarantine.add("itb/00/mine/telemetry", 7, "no pump", b'{"p\xc3\x28"' + b"x" * 1000)
    [rejection] = quarantine.take()
    assert (rejection.topic, rejection.at, rejection.reason) == ("itb/00/mine/telemetry", 7, "no pump")
    assert rejection.excerpt.startswith('{"p\\xc3(')
    assert len(rejection.excerpt) <= EXCERPT_BYTES + 3
    assert list(quarantine.latest) == [rejection]


def test_each_rejection_is_handed_over_once():
    quarantine = Quarantine()
    assert quarantine.take() == ()
    quarantine.add("a", 1, "x")
    quarantine.add("b", 2, "y")
    assert [rejection.topic for rejection in quarantine.take()] == ["a", "b"]
    quarantine.add("c", 3, "z")
    assert [rejection.topic for rejection in quarantine.take()] == ["c"]
    assert quarantine.count == 3


def test_the_latest_rejections_are_shown_and_all_are_counted():
    quarantine = Quarantine()
    for at in range(MAX_SHOWN + 30):
        quarantine.add("a", at, "x")
    assert quarantine.count == MAX_SHOWN + 30
    assert [rejection.at for rejection in quarantine.latest] == list(range(30, MAX_SHOWN + 30))
