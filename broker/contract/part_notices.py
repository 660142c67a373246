"""Notices to the processor that a part of the system started or ended."""

from __future__ import annotations

from typing import Literal

import msgspec

from broker.contract.messages import read
from broker.contract.ranges import Label, Text, TimeMs


class Notice(msgspec.Struct, kw_only=True):
    """A part of the system (a process) started or ended, at this wall time (ms)."""

    part: Label
    state: Literal["started", "ended"]
    text: Text
    at: TimeMs


_NOTICE = msgspec.json.Decoder(Notice)


def read_notice(payload: bytes) -> Notice:
    """Read a notice of a part, or raise `MessageError`."""
    return read(_NOTICE, payload, "a notice of a part")
