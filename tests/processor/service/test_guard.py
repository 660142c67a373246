"""An unforeseen error of one message quarantines that message, is an alarm about the system, and ends nothing."""

from __future__ import annotations

import pytest

from broker.mqtt.link import Message
from processor.engine import engine
from processor.fleet.watching import Watching
from processor.intake import backlog as backlog_module
from processor.intake.backlog import Backlog
from processor.intake.inbox import Inbox
from processor.pipeline import Pipeline
from processor.service.guard import GuardedPipeline
from processor.watch import readings

START_MS = 1_790_000_000_000


def sample(pump: str, at: int = 0, **fields: float) -> bytes:
    more = "".join(f',"{name}":{value}' for name, value in fields.items())
    return f'{{"pump":"{pump}","time":{START_MS + at * 60_000},"seq":{at + 1}{more}}}'.encode()


def message(payload: bytes) -> Message:
    return Message("itb/00/mine/telemetry", payload, 1, 1, retained=False)


@pytest.fixture
def guarded(monkeypatch) -> GuardedPipeline:
    """A processor in which a sample of the pump POISON raises what nobody foresaw."""
    honest = Inbox.read

    def read(self, messages, now, decoded=None):
        if any(b"POISON" in each.payload for each in messages):
            raise ZeroDivisionError("nobody thought of this")
        return honest(self, messages, now, decoded)

    monkeypatch.setattr(Inbox, "read", read)
    return GuardedPipeline(Pipeline())


def take(guarded: GuardedPipeline, *messages: Message, found=None) -> int:
    results = guarded.take(list(messages), START_MS, listening=True, readings=found)
    return sum(result.samples.height for result in results)


def test_the_other_messages_of_the_batch_are_processed_and_the_poison_is_quarantined(guarded):
    good = [message(sample(f"P-{n}")) for n in range(20)]
    assert take(guarded, *good[:13], message(sample("POISON")), *good[13:]) == 20
    assert guarded.pipeline.state["samples"].to_list() == [1] * 20
    assert [rejection.reason for rejection in guarded.pipeline.quarantine.latest] == [
        "unforeseen error, please report it: ZeroDivisionError: nobody thought of this"
    ]
    assert guarded.pipeline.quarantine.latest[0].excerpt.startswith('{"pump":"POISON"')


def test_an_error_without_a_message_still_raises_the_alarm_about_the_system(guarded, monkeypatch):
    take(guarded, message(sample("P-1")))

    def broken(*_, **__):
        raise ZeroDivisionError("in every tick")

    monkeypatch.setattr(Watching, "advance", broken)
    found = readings.frame(readings.troubles({"processing": "unforeseen error"}))
    take(guarded, found=found)
    assert guarded.pipeline.alarms["rule"].to_list() == ["processing_failing"]
    assert guarded.errors == 1


def test_the_backlog_of_a_pump_does_not_delay_the_others_and_is_judged_in_order(monkeypatch):
    monkeypatch.setattr(backlog_module, "MAX_RUN", 25)
    pipeline = Pipeline(backlog=Backlog(max_thin_waves=25))
    whole = Pipeline()
    backlog = [message(b"[" + b",".join(sample("OLD", at, flow_ul_h=8.0) for at in range(200)) + b"]")]
    for each in (pipeline, whole):
        each.take([*backlog, message(sample("NEW", 200))], START_MS + 200 * 60_000)
    assert pipeline.state["samples"].to_list() == [25, 1]
    assert pipeline.backlog.waiting.height == 175
    for _ in range(7):
        pipeline.take([], START_MS + 200 * 60_000)
    assert pipeline.backlog.waiting.is_empty()
    assert pipeline.state.equals(whole.state)


def test_an_error_costs_no_sample_that_waited(monkeypatch):
    monkeypatch.setattr(backlog_module, "MAX_RUN", 25)
    guarded, honest, errors = GuardedPipeline(Pipeline(backlog=Backlog(max_thin_waves=25))), engine.step, []
    take(guarded, message(b"[" + b",".join(sample("OLD", at) for at in range(200)) + b"]"))

    def step(*args, **options):
        if not errors:
            errors.append(ZeroDivisionError("once"))
            raise errors[0]
        return honest(*args, **options)

    monkeypatch.setattr(engine, "step", step)
    take(guarded, message(sample("NEW", 200)), message(sample("NEW", 201)))
    while not guarded.pipeline.backlog.waiting.is_empty():
        take(guarded)
    assert guarded.pipeline.state["samples"].to_list() == [200, 2]


def test_a_pump_whose_backlog_is_being_judged_is_not_silent(monkeypatch):
    monkeypatch.setattr(backlog_module, "MAX_RUN", 25)
    pipeline = Pipeline(backlog=Backlog(max_thin_waves=25))
    backlog = b"[" + b",".join(sample("OLD", at, flow_ul_h=8.0) for at in range(200)) + b"]"
    pipeline.take([message(backlog)], START_MS + 200 * 60_000)
    assert pipeline.alarms.is_empty()
