"""Messages between the runner of a load test and its workers, over the broker: MessagePack, every value in a range."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import polars as pl
from msgspec import Meta

from broker.contract.messages import MAX_MESSAGE_BYTES
from broker.contract.ranges import LATEST_MS
from trials.load.plan import BlockPlan, Disturb, Progress, Stop
from trials.load.sent import CONFIRMED, SENT

MAX_ROWS: Final = 50_000
"""Rows of one message; a report with more is sent in several."""
MAX_NAME: Final = 64

Moment = Annotated[float, Meta(ge=0.0, le=float(LATEST_MS))]
Name = Annotated[str, Meta(max_length=MAX_NAME)]
Digest = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Run = Annotated[str, Meta(max_length=64)]


class Hello(msgspec.Struct, kw_only=True, frozen=True, tag="hello"):
    """State of a worker, retained: it waits for a run, or takes part in one."""

    cores: Annotated[int, Meta(ge=1, le=100_000)]
    run: Run = ""


class Gone(msgspec.Struct, kw_only=True, frozen=True, tag="gone"):
    """The will of a worker, and its farewell."""


class Begin(msgspec.Struct, kw_only=True, frozen=True, tag="begin"):
    """First order: the run, and how far the worker's clock is ahead of the runner's."""

    run: Run
    ahead_ms: Annotated[float, Meta(ge=-1e12, le=1e12)]


class Call(msgspec.Struct, kw_only=True, frozen=True, tag="ping"):
    """A ping of the runner, `sent` by its clock; it also says that the runner lives."""

    sent: Moment


class Answer(msgspec.Struct, kw_only=True, frozen=True, tag="pong"):
    """The answer to a ping, with when it was received and returned by the worker's clock."""

    sent: Moment
    received: Moment
    returned: Moment


class Sent(msgspec.Struct, kw_only=True, frozen=True, tag="sent"):
    """Columns of `trials.load.sent.SENT`."""

    gateway: Annotated[list[Name], Meta(max_length=MAX_ROWS)]
    digest: Annotated[list[Digest], Meta(max_length=MAX_ROWS)]
    samples: Annotated[list[Annotated[int, Meta(ge=0, le=1_000_000)]], Meta(max_length=MAX_ROWS)]
    due: Annotated[list[Moment], Meta(max_length=MAX_ROWS)]
    sampled: Annotated[list[Moment], Meta(max_length=MAX_ROWS)]


class Confirmed(msgspec.Struct, kw_only=True, frozen=True, tag="confirmed"):
    """Columns of `trials.load.sent.CONFIRMED`."""

    gateway: Annotated[list[Name], Meta(max_length=MAX_ROWS)]
    digest: Annotated[list[Digest], Meta(max_length=MAX_ROWS)]
    published: Annotated[list[Moment], Meta(max_length=MAX_ROWS)]
    confirmed: Annotated[list[Moment], Meta(max_length=MAX_ROWS)]


class Report(msgspec.Struct, kw_only=True, frozen=True, tag="report"):
    """State of the worker's generator."""

    progress: Progress


class Failed(msgspec.Struct, kw_only=True, frozen=True, tag="failed"):
    """The generator ended by an error."""

    text: Annotated[str, Meta(max_length=500)]


WorkerState = Hello | Gone
WorkerOrder = Begin | Call | BlockPlan | Disturb | Stop
WorkerAnswer = Answer | Sent | Confirmed | Report | Failed

_STATES: Final = msgspec.msgpack.Decoder(WorkerState)
_ORDERS: Final = msgspec.msgpack.Decoder(WorkerOrder)
_ANSWERS: Final = msgspec.msgpack.Decoder(WorkerAnswer)


class WorkerMessageError(ValueError):
    """A message of the coordination that cannot be read."""


def encode(message: WorkerState | WorkerOrder | WorkerAnswer) -> bytes:
    """Encode a message."""
    return msgspec.msgpack.encode(message)


def _read(decoder: msgspec.msgpack.Decoder[object], payload: bytes) -> object:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WorkerMessageError(f"{len(payload):,} bytes; allowed are up to {MAX_MESSAGE_BYTES:,}")
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorkerMessageError(str(error)) from error


def read_state(payload: bytes) -> WorkerState:
    """Read the state of a worker, or raise `WorkerMessageError`."""
    state: WorkerState = _read(_STATES, payload)  # type: ignore[assignment]
    return state


def read_order(payload: bytes) -> WorkerOrder:
    """Read an order for a worker, or raise `WorkerMessageError`."""
    order: WorkerOrder = _read(_ORDERS, payload)  # type: ignore[assignment]
    return order


def read_answer(payload: bytes) -> WorkerAnswer:
    """Read an answer of a worker, or raise `WorkerMessageError`."""
    answer: WorkerAnswer = _read(_ANSWERS, payload)  # type: ignore[assignment]
    return answer


def table_of(columns: Sent | Confirmed) -> pl.DataFrame:
    """Return the table of its columns, or raise `WorkerMessageError` if they differ in length."""
    schema = SENT if isinstance(columns, Sent) else CONFIRMED
    lists = {name: getattr(columns, name) for name in schema}
    if len({len(values) for values in lists.values()}) > 1:
        raise WorkerMessageError("columns of different lengths")
    return pl.DataFrame(lists, schema)
