"""This file is what an alarm rests on, as it travels with it: numbers, the score, and what it was told from."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MAX_BYTES: Final = 4096
"""No evidence is longer than this as JSON; `tests` hold every rule to it."""


class Fact(msgspec.Struct, kw_only=True):
    """One number that speaks for the alarm, with what it should be and the limit it crossed, in the same unit."""

    label: str
    value: float
    unit: str
    expected: float | None = None
    limit: float | None = None


class RuledOut(msgspec.Struct, kw_only=True):
    """Another cause that it is not, and by which number that was told; `limit` is where it would have been."""

    cause: str
    because: str
    value: float | None = None
    unit: str
    limit: float | None = None


class Evidence(msgspec.Struct, kw_only=True):
    """What was known when the alarm was raised.

    `said` is the first fact in words. Facts are averages over about `window_s` up to `time` (therapy ms); `score` was
    the score (1 is the limit), and it had been at or above the limit for `above_s`, both in therapy
    seconds, or in wall seconds where the alarm is about Pumpwatch itself. Each of
    `doubts` takes `confidence` down by one.
    """

    said: str
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
    """Read evidence; None where there is none, as of an alarm that an older version raised."""
    try:
        return _EVIDENCE.decode(text) if text else None
    except msgspec.DecodeError:
        return None
