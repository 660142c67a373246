"""The real decoders of all messages, and the reasons for which they refuse what fits a schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from broker.contract.actions import read_action, read_outcome
from broker.contract.alarm_events import AlarmEvent
from broker.contract.codec import decode
from broker.contract.commands import read_command, read_reply
from broker.contract.gateway_messages import read_birth, read_confirmation, read_status
from broker.contract.messages import MessageError
from broker.contract.part_notices import read_notice
from broker.contract.presence import read_presence
from broker.contract.signed import Keys
from broker.contract.trace import read_trace
from broker.store.snapshot import Health
from broker.truth.ground_truth import read_ground_truth

DECLARED: Final = tuple(
    re.compile(reason)
    for reason in (
        r"the birth names \d+ pumps but has \d+ of \w+",
        r"the birth names a pump twice",
        r"cannot be a name: 1 to 64 letters",
        # A text that is no time: the schema can only say that it is one in ISO 8601.
        r"(time|sent) .* is neither milliseconds since 1970 nor ISO 8601",
        r"(time|sent) .* has no time zone",
        r"(time|sent) .* has a second 60",
        r"(time|sent) is .*; allowed is 2000-01-01 to 2100-01-01",
        r"it has no time",
        r"the key .* is there twice",
    )
)
"""What a decoder checks beyond what a JSON Schema can say."""


def read_samples(payload: bytes) -> None:
    """Decode telemetry; raise `MessageError` with the reasons if anything in it is rejected."""
    decoded = decode(payload)
    if decoded.rejected or decoded.samples.is_empty():
        raise MessageError("; ".join(decoded.rejected) or "no sample")


def _presence(payload: bytes) -> None:
    if read_presence(payload) is None:
        raise MessageError("not a presence")


DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "sample": read_samples,
    "samples": read_samples,
    "sampleLines": read_samples,
    "birth": read_birth,
    "status": read_status,
    "reply": read_reply,
    "alarmEvent": msgspec.json.Decoder(AlarmEvent).decode,
    "outcome": read_outcome,
    "confirmation": read_confirmation,
    "keys": msgspec.json.Decoder(Keys).decode,
    "health": msgspec.json.Decoder(Health).decode,
    "presence": _presence,
    "notice": read_notice,
    "groundTruth": read_ground_truth,
    "traceTaken": read_trace,
    "traceDurable": read_trace,
    "traceShown": read_trace,
    "resend": msgspec.json.decode,
}
"""By the name of the message; signed ones have `PAYLOADS`."""
PAYLOADS: Final[dict[str, Callable[[bytes], Any]]] = {"signedCommand": read_command, "signedAction": read_action}


def refusal(read: Callable[[bytes], Any], payload: bytes) -> str | None:
    """Return why a decoder refuses a payload; None if it takes it."""
    try:
        read(payload)
    except (MessageError, msgspec.DecodeError) as error:
        return str(error)
    return None


def is_declared(reason: str) -> bool:
    """Tell whether a payload that fits its schema may be refused for that reason."""
    return any(pattern.search(reason) for pattern in DECLARED)
