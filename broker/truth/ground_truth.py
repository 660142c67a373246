"""Messages and file format of the ground truth: which faults are injected into which simulated pumps.

It is published over MQTT and written to a file in the data directory, for engineers and for scoring; the processor
never reads it. The file starts with a `RunHeader`, followed by one `FaultChange` per line, and is rewritten by every
run of the simulator.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from broker.contract.messages import read

FILE: Final = "truth.jsonl"


class FaultChange(msgspec.Struct, kw_only=True):
    """A fault that began or ended on a pump: `since` and `time` are therapy ms, `severity` is that after the ramp.

    `by` is who commanded it, empty if a scenario did.
    """

    kind: Literal["begun", "ended"]
    pump: str
    fault: str
    severity: float
    since: int
    time: int
    by: str = ""


class GroundTruth(msgspec.Struct, kw_only=True):
    """The changes since the last such message."""

    sent: int
    changes: list[FaultChange]


class FaultFacts(msgspec.Struct, kw_only=True):
    """What scoring must know about a fault, and what people call it (`title`, empty: nothing but its name).

    One that `waits_for` a refill has no effect before the next refill. From the severity `silent_from` on, its pump is
    silent at least half of the time, so that it counts for alarms of silent gateways.
    """

    fault: str
    title: str = ""
    waits_for: str = ""
    silent_from: float = 0.0


class RunHeader(msgspec.Struct, kw_only=True):
    """First line of the file: the therapy time (ms) at which the simulator started, its pumps, and its faults."""

    kind: Literal["run"] = "run"
    time: int
    pumps: int
    faults: list[FaultFacts] = []


_GROUND_TRUTH: Final = msgspec.json.Decoder(GroundTruth)


def read_ground_truth(payload: bytes) -> GroundTruth:
    """Decode a ground truth message; raises `MessageError`."""
    return read(_GROUND_TRUTH, payload, "a ground truth message")
