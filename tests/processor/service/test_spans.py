"""Traces of batches for OpenTelemetry: which spans a batch has, and that a collector that is away changes nothing."""

from __future__ import annotations

import polars as pl
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from broker.mqtt.address import parse_url
from broker.mqtt.link import Link, Message
from processor.service import spans, tracing
from processor.service.settings import ProcessorError, Settings
from processor.service.spans import MAX_OPEN, Spans

START_MS = 1_790_000_000_000.0


class Result:
    def __init__(self, *sent: int) -> None:
        self.samples = pl.DataFrame({"sent": list(sent)}, schema={"sent": pl.Int64})


class Clocked:
    """Spans kept in memory, and a clock that tests turn."""

    def __init__(self) -> None:
        self.kept, self.ms = InMemorySpanExporter(), START_MS
        provider = spans.provider_of()
        provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.spans = Spans(provider.get_tracer("test"), lambda: self.ms, provider.shutdown)

    def after(self, ms: float) -> Spans:
        self.ms += ms
        return self.spans

    def judge(self, *sent: int) -> None:
        self.after(10).received(1)
        self.after(20).decoded()
        self.after(30).judged([Message("itb/0/g/telemetry", b"{}", mid=1, qos=1, retained=False)], [Result(*sent)])  # type: ignore[list-item]

    def made(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.kept.get_finished_spans()}


def ms_of(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e6 - START_MS, span.end_time / 1e6 - START_MS


def test_a_batch_is_one_trace_from_publish_to_snapshot() -> None:
    clocked = Clocked()
    clocked.judge(int(START_MS) + 4, int(START_MS) + 2)
    clocked.after(40).durable(1)
    assert clocked.made() == {}
    clocked.after(100).shown(1, version=7)
    made = clocked.made()
    assert {name: tuple(map(round, ms_of(span))) for name, span in made.items()} == {
        "publish": (2, 10),
        "decode": (10, 30),
        "judge": (30, 60),
        "make durable": (60, 100),
        "show": (60, 200),
        "batch": (2, 200),
    }
    assert len({span.context.trace_id for span in made.values()}) == 1
    whole = made["batch"]
    assert {span.parent.span_id for span in made.values() if span.parent} == {whole.context.span_id}
    assert whole.attributes == {"pumpwatch.batch": 1, "pumpwatch.messages": 1, "pumpwatch.samples": 2}
    assert made["show"].attributes == {"pumpwatch.snapshot": 7}


def test_what_is_durable_and_shown_at_once_ends_all_batches_before() -> None:
    clocked = Clocked()
    for _ in range(3):
        clocked.judge()
    clocked.spans.shown(3, version=1)
    clocked.spans.durable(2)
    numbers = [span.attributes["pumpwatch.batch"] for span in clocked.kept.get_finished_spans() if not span.parent]  # type: ignore[index]
    assert numbers == [1, 2]


def test_batches_that_never_become_durable_are_bounded_and_counted() -> None:
    clocked = Clocked()
    for _ in range(MAX_OPEN + 3):
        clocked.judge()
    assert clocked.spans.not_traced == 3


def followers(settings: Settings) -> object:
    link = Link(parse_url("mqtt://127.0.0.1:1"), "test")
    return tracing.followers_of(settings, lambda: START_MS, lambda: 0.0, link)


def test_nothing_follows_batches_unless_it_is_asked_for(tmp_path) -> None:
    assert followers(Settings("mqtt://127.0.0.1:1", tmp_path)) is None


def test_an_address_that_is_none_is_refused(tmp_path) -> None:
    with pytest.raises(ProcessorError, match="use an address such as"):
        followers(Settings("mqtt://127.0.0.1:1", tmp_path, otlp_endpoint="localhost:4318"))
