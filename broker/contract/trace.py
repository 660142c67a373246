"""Trace of the processor: when each message was received, judged, durable and shown; published while it is asked for.

A message is known by its gateway and the CRC-32 of its payload, so that whoever sent it finds it again, also when it
was delivered twice or not at all. Times are wall ms with fractions.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from broker.contract.messages import read
from broker.contract.ranges import LATEST_MS, Count, Label

MAX_MESSAGES: Final = 100_000
"""Messages in one `Taken`; a batch with more is traced in several."""

Moment = Annotated[float, msgspec.Meta(ge=0.0, le=float(LATEST_MS))]
Digest = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]


class Taken(msgspec.Struct, kw_only=True, tag="taken"):
    """A batch whose messages are judged. The lists have one entry for each telemetry message, in order of arrival."""

    batch: Count
    gateways: Annotated[list[Label], msgspec.Meta(max_length=MAX_MESSAGES)]
    digests: Annotated[list[Digest], msgspec.Meta(max_length=MAX_MESSAGES)]
    received: Annotated[list[Moment], msgspec.Meta(max_length=MAX_MESSAGES)]
    decoded: Moment
    judged: Moment


class Durable(msgspec.Struct, kw_only=True, tag="durable"):
    """All batches up to this one are on disk and acknowledged."""

    batch: Count
    at: Moment


class Shown(msgspec.Struct, kw_only=True, tag="shown"):
    """All batches up to this one are in the snapshot of that version."""

    batch: Count
    version: Count
    at: Moment


Trace = Taken | Durable | Shown

_TRACE = msgspec.json.Decoder(Trace)


def read_trace(payload: bytes) -> Trace:
    """Read one message of the trace, or raise `MessageError`."""
    trace: Trace = read(_TRACE, payload, "a message of the processor's trace")
    return trace
