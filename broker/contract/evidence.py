"""Evidence of an alarm, as it is stored and sent with it: facts, score, excluded causes, confidence."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MAX_BYTES: Final = 4096
"""Maximum length of evidence as JSON; the tests check every rule."""
BARELY: Final = 1.2
"""Below this score an alarm is only just above its limit; a modeling choice."""
ONLY_JUST: Final = "only just above the limit"
NEW_PUMP: Final = "this pump has been known for only"
"""How doubts begin that may end while the alarm stands."""
LEVELS: Final = ("high", "medium", "low")


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
    by one level. The pump had been known for `known_h`, and learning its baseline takes `learns_h`.
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
    known_h: float | None = None
    learns_h: float | None = None


def standing_doubts(evidence: Evidence, score: float | None, standing_h: float) -> list[str]:
    """Return the doubts that still hold for an alarm that has stood for `standing_h`, its highest `score` so far.

    A score well above the limit and a baseline learned meanwhile end their doubts.
    """
    settled = set()
    if score is not None and score >= BARELY:
        settled.add(ONLY_JUST)
    if evidence.known_h is not None and evidence.known_h + standing_h >= (evidence.learns_h or 0.0):
        settled.add(NEW_PUMP)
    return [doubt for doubt in evidence.doubts if not any(doubt.startswith(text) for text in settled)]


def confidence(doubts: list[str]) -> str:
    """Return the confidence in an alarm about which there are these doubts."""
    return LEVELS[min(len(doubts), len(LEVELS) - 1)]


_EVIDENCE: Final = msgspec.json.Decoder(Evidence)


def decode(text: str | None) -> Evidence | None:
    """Read evidence; None if there is none, as for an alarm that an older version raised."""
    try:
        return _EVIDENCE.decode(text) if text else None
    except msgspec.DecodeError:
        return None
