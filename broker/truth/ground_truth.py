"""This file is how it is told what is really wrong with the simulated pumps: for engineers and for judging.

It goes over the wire and into a file in the data directory. The file begins with a `Story`, then has a `Wrong` a line,
and begins anew with each run of the simulator.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from broker.contract.messages import read

FILE: Final = "truth.jsonl"


class Wrong(msgspec.Struct, kw_only=True):
    """A fault that began on a pump, or ended: `since` and `time` are therapy ms, `severity` is that after the ramp."""

    kind: Literal["begun", "ended"]
    pump: str
    fault: str
    severity: float
    since: int
    time: int


class Truth(msgspec.Struct, kw_only=True):
    """What is really wrong since the last such message: for engineers and for judging, never for the processor."""

    sent: int
    changes: list[Wrong]


class Expected(msgspec.Struct, kw_only=True):
    """By which rules a fault counts as found: those that name its cause, and those that notice it.

    One that `waits_for` a refill shows nothing before the next one. Toward an alarm of many silent pumps it counts
    from the severity `silent_from` on.
    """

    fault: str
    right: list[str] = []
    accepted: list[str] = []
    waits_for: str = ""
    silent_from: float = 0.0


class Story(msgspec.Struct, kw_only=True):
    """What a simulator begins with: its therapy time (ms), how many pumps it plays, and how it is to be judged."""

    kind: Literal["story"] = "story"
    time: int
    pumps: int
    expected: list[Expected] = []


_TRUTH: Final = msgspec.json.Decoder(Truth)


def read_truth(payload: bytes) -> Truth:
    """Read a truth, or raise `MessageError`."""
    return read(_TRUTH, payload, "a truth")
