"""Presence of a processor: a retained message that says which one uses the broker."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_TEXT = 256
MAX_MS = 253_402_300_799_999
"""End of the year 9999."""

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Time = Annotated[int, Meta(ge=0, le=MAX_MS)]


class Presence(msgspec.Struct, frozen=True):
    """A processor: its client id, a random word for this run, host, start and time of this message (wall ms)."""

    id: Text
    run: Text
    host: Text
    since: Time
    at: Time
    state: Literal["online", "gone"]


_decoder = msgspec.json.Decoder(Presence)


def read_presence(payload: bytes) -> Presence | None:
    """Return the presence in a payload, or None if it is none."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
