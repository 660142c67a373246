"""Alarms about samples and messages that are lost, dropped, rejected or redelivered."""

from __future__ import annotations

from processor.alarms.states import state_of
from processor.rules.system import MAX_REJECTED
from tests.processor.watch.monitored_processor import MINUTE, MonitoredProcessor


def test_samples_that_arrive_late_are_not_lost_and_raise_no_alarm():
    processor = MonitoredProcessor().read(lost=3).read(lost=40).check()
    processor.read(30, lost=3).read(MINUTE, lost=3).check()


def test_lost_samples_are_an_alarm_from_one_minute_after_the_loss_until_ten_minutes_pass_without_another():
    processor = MonitoredProcessor().read(lost=3).read(lost=40).read(MINUTE, lost=40)
    processor.check("raised samples_missing", samples_missing="unacknowledged")
    assert processor.texts == ["37 samples permanently lost within 10 min"]
    for _ in range(8):
        processor.read(MINUTE, lost=40).check(samples_missing="unacknowledged")
    processor.read(MINUTE, lost=40)
    processor.check("returned samples_missing", samples_missing="returned")


def test_gateways_that_drop_samples_are_named_and_their_alarm_suppresses_the_one_about_lost_samples():
    dropped = {"dropped": 500, "droppers": (("ward-7", 480), ("ward-9", 20)), "lost": 480}
    processor = MonitoredProcessor().read().read(**dropped)
    assert processor.texts == ["500 samples dropped by gateways (total ward-7 480, ward-9 20) within 10 min"]
    processor.read(MINUTE, **dropped)
    states = dict(processor.alarms.select("rule", state_of()).iter_rows())
    assert states == {"gateways_drop": "unacknowledged", "samples_missing": "suppressed"}


def test_a_few_rejected_messages_raise_no_alarm_and_many_do():
    processor = MonitoredProcessor().read(refused=5).read(refused=5 + MAX_REJECTED - 1).check()
    processor.read(refused=5 + MAX_REJECTED).check("raised messages_refused", messages_refused="unacknowledged")


def test_a_reconnecting_gateway_raises_no_alarm_but_redelivering_every_sample_does():
    processor = MonitoredProcessor().read()
    for minute in range(1, 21):
        processor.read(MINUTE, received=6000 * minute, redelivered=500).check()
    counters = {"received": 120_000, "redelivered": 500}
    for _ in range(2):
        counters = {"received": counters["received"] + 12_000, "redelivered": counters["redelivered"] + 6000}
        processor.read(MINUTE, **counters)
    processor.check()
    for _ in range(3):
        counters = {"received": counters["received"] + 12_000, "redelivered": counters["redelivered"] + 6000}
        processor.read(MINUTE, **counters)
    processor.check("raised samples_resent", samples_resent="unacknowledged")
    assert "samples redelivered by gateways within 10 min" in processor.evidence().summary
    for _ in range(10):
        counters["received"] += 6000
        processor.read(MINUTE, **counters)
    assert processor.alarms["returned"].null_count() == 0


def test_without_any_samples_there_is_no_alarm_about_redelivered_ones():
    MonitoredProcessor().read().read(3600).read(3600).check()
