"""Spans of OpenTelemetry: each batch from the gateway's publish to the snapshot, for a collector if one is named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from broker.contract.log_events import event
from broker.mqtt.link import Message
from processor.batch_result import BatchResult
from processor.service.settings import ProcessorError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

log = logging.getLogger("processor")

MAX_OPEN: Final = 1_000
"""Batches that are judged and not yet both durable and shown; the oldest beyond are not traced, and counted."""
EXPORT_TIMEOUT_S: Final = 3
LOGGED_INTERVAL_S: Final = 60.0
NS: Final = 1_000_000


@dataclass
class _Open:
    """A batch on its way: times in wall ms, 0 if not yet; `published` is the earliest sending of its samples."""

    messages: int
    samples: int
    published: float
    received: float
    decoded: float
    judged: float
    durable: float = 0.0
    shown: float = 0.0
    version: int = 0


@dataclass
class Spans:
    """Makes spans with `tracer` when a batch is durable and shown; `now` is wall ms with fractions."""

    tracer: Tracer
    now: Callable[[], float]
    shut: Callable[[], None] = lambda: None
    not_traced: int = 0
    batch: int = 0
    _received: float = 0.0
    _decoded: float = 0.0
    _open: dict[int, _Open] = field(default_factory=dict)

    def close(self) -> None:
        """Send what is not sent yet."""
        self.shut()

    def received(self, count: int) -> None:
        """Note when the first message of the next batch was read."""
        if count and not self._received:
            self._received = self.now()

    def decoded(self) -> None:
        """Note that the messages in hand are decoded."""
        self._decoded = self.now()

    def judged(self, messages: Sequence[Message], results: Sequence[BatchResult]) -> None:
        """Begin to follow a batch."""
        self.batch += 1
        at = self.now()
        sent = [first for result in results if isinstance(first := result.samples["sent"].min(), int)]
        received = min(self._received or at, at)
        self._open[self.batch] = _Open(
            messages=len(messages),
            samples=sum(result.samples.height for result in results),
            published=min([*map(float, sent), received]),
            received=received,
            decoded=max(received, self._decoded or at),
            judged=at,
        )
        self._received = self._decoded = 0.0
        while len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]
            if not self.not_traced:
                text = "Batches wait so long for the disk that some are not traced"
                log.warning("%s", text, extra=event("batch_not_traced"))
            self.not_traced += 1

    def durable(self, batch: int) -> None:
        """Note that all batches up to this one are on disk."""
        at = self.now()
        self._note(batch, lambda one: setattr(one, "durable", one.durable or at))

    def shown(self, batch: int, version: int) -> None:
        """Note that all batches up to this one are in a snapshot."""
        at = self.now()

        def note(one: _Open) -> None:
            if not one.shown:
                one.shown, one.version = at, version

        self._note(batch, note)

    def _note(self, batch: int, note: Callable[[_Open], None]) -> None:
        for number in [number for number in self._open if number <= batch]:
            one = self._open[number]
            note(one)
            if one.durable and one.shown:
                del self._open[number]
                self._make(number, one)

    def _make(self, number: int, one: _Open) -> None:
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415  # an optional package

        attributes = {"pumpwatch.batch": number, "pumpwatch.messages": one.messages, "pumpwatch.samples": one.samples}
        whole = self.tracer.start_span("batch", start_time=round(one.published * NS), attributes=attributes)
        context = set_span_in_context(whole)
        hops: tuple[tuple[str, float, float, dict[str, int]], ...] = (
            ("publish", one.published, one.received, {}),
            ("decode", one.received, one.decoded, {}),
            ("judge", one.decoded, one.judged, {}),
            ("make durable", one.judged, one.durable, {}),
            ("show", one.judged, one.shown, {"pumpwatch.snapshot": one.version}),
        )
        for name, began, ended, more in hops:
            span = self.tracer.start_span(name, context, start_time=round(began * NS), attributes=more)
            span.end(round(max(began, ended) * NS))
        whole.end(round(max(one.durable, one.shown) * NS))


def exported(endpoint: str, now: Callable[[], float], clock: Callable[[], float]) -> Spans:
    """Return spans that a thread sends to a collector; `clock` is monotonic, in s. Raises `ProcessorError`."""
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise ProcessorError(
            f"otlp-endpoint {endpoint[:100]!r} is not allowed; use an address such as http://127.0.0.1:4318/v1/traces"
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ProcessorError(
            "otlp-endpoint needs the packages of OpenTelemetry; install them with: pip install 'pumpwatch[otel]'"
        ) from error
    logging.getLogger("opentelemetry").addFilter(_Rare(clock))
    provider = provider_of()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S)))
    return Spans(provider.get_tracer("pumpwatch"), now, provider.shutdown)


def provider_of() -> TracerProvider:
    """Return what makes spans in the name of the processor."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    return TracerProvider(resource=Resource.create({"service.name": "pumpwatch-processor"}))


class _Rare(logging.Filter):
    """Passes one record a minute: a collector that is away is one event."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock, self._passed_at = clock, -LOGGED_INTERVAL_S

    def filter(self, _record: logging.LogRecord) -> bool:
        now = self._clock()
        passes = now - self._passed_at >= LOGGED_INTERVAL_S
        self._passed_at = now if passes else self._passed_at
        return passes
