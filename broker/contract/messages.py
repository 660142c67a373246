"""This file is the form of all messages beside samples: JSON, and refused with a reason where it is not of its kind."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Message = TypeVar("Message")


class MessageError(ValueError):
    """A message that is not of its form; the text says what is wrong and what is allowed."""


def encode(message: msgspec.Struct) -> bytes:
    """Write a message as JSON."""
    return msgspec.json.encode(message)


def read(decoder: msgspec.json.Decoder[Message], payload: bytes, what: str) -> Message:
    """Read a message with the decoder of its kind, or raise `MessageError`; `what` names the kind, as "a birth"."""
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not {what}: {error}") from error
