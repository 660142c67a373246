"""Evidence of an alarm, as it is stored and sent with it: facts, score, excluded causes, confidence."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MAX_BYTES: Final = 4096
"""Maximum length of evidence as JSON; the tests check every rule."""


class Fact(msgspec.Struct, kw_only=True):
    """One number that supports the alarm, with its expected value and the limit it crossed, in the same unit."""

    label: str
    value: float
    unit: str
    expected: float | None = None
    limit: float | None = None


class RuledOut(msgspec.Struct, kw_only=True):
    """A cause that was excluded, and by which number; at `limit` it could not have been excluded."""

    cause: str
    because: str
    value: float | None = None
    unit: str
    limit: float | None = None


class Evidence(msgspec.Struct, kw_only=True):
    """What was known when the alarm was raised.

    `summary` is the first fact as text, in JSON `said`. Facts are means over about `window_s` up to `time` (therapy
    ms); `score` was the score (alarm at 1.0), and it had been at or above 1.0 for `above_s`. Both durations are in
    therapy seconds, or in wall seconds if the alarm is about Pumpwatch itself. Each of `doubts` lowers `confidence`
    by one level.
    """

    summary: str = msgspec.field(name="said")
    time: int
    window_s: float
    score: float
    above_s: float
    confidence: Literal["high", "medium", "low"]
    doubts: list[str] = []
    facts: list[Fact] = []
    ruled_out: list[RuledOut] = []


_EVIDENCE: Final = msgspec.json.Decoder(Evidence)


def decode(text: str | None) -> Evidence | None:
    """Read evidence; None if there is none, as for an alarm that an older version raised."""
    try:
        return _EVIDENCE.decode(text) if text else None
    except msgspec.DecodeError:
        return None
