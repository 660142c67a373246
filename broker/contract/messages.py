"""JSON encoding and decoding of all messages other than samples; malformed ones are rejected with a reason."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from broker.contract.ranges import out_of_range

Message = TypeVar("Message")

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Size of a message: what the bundled broker lets through. A birth of 100,000 pumps has 10 MB."""


class MessageError(ValueError):
    """A malformed message; the text says what is wrong and what is allowed."""


def encode(message: msgspec.Struct) -> bytes:
    """Encode a message as JSON."""
    return msgspec.json.encode(message)


def read(decoder: msgspec.json.Decoder[Message], payload: bytes, what: str) -> Message:
    """Decode a message; raise `MessageError` if it is malformed. `what` names its kind, such as "a birth".

    A value outside its declared range is refused with the field, the value and the range.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageError(f"{what} of {len(payload):,} bytes; allowed are up to {MAX_MESSAGE_BYTES:,}")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise MessageError(out_of_range(error, payload, decoder.type) or f"not {what}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not {what}: {error}") from error
