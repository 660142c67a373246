"""Metrics of a load test: the hops of a sample from its due time to the screen, and what thresholds may name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Hop:
    """A point on the way of a sample. Latency is from its due time to here."""

    name: str
    meaning: str


HOPS: Final = (
    Hop("sampled", "the generator made the message"),
    Hop("published", "the message was handed to the connection"),
    Hop("confirmed", "the broker confirmed it (QoS 1)"),
    Hop("received", "the processor read it from its connection"),
    Hop("decoded", "its batch is decoded"),
    Hop("judged", "its batch is judged, alarms included"),
    Hop("durable", "it is on disk and acknowledged"),
    Hop("shown", "it is in a complete snapshot"),
    Hop("painted", "a browser has painted that snapshot"),
)
ALARM: Final = Hop("alarm", "the alarm that a sample led to was published")
PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
COUNTS: Final = {
    "loss": "samples that never reached a snapshot",
    "duplicates": "samples that the processor received more than once",
    "disorder": "messages that arrived after a later one of their gateway",
    "alarms.missed": "faulty pumps without an alarm although its time was over",
    "empty_seconds": "seconds in which samples were due and none was judged",
}
PARTS: Final = ("broker", "processor", "dashboard", "generator", "all")
RESOURCES: Final = {"cpu": "cores used, average", "memory": "MB, most"}
METRICS: Final = (
    *(f"latency.{hop.name}.{name}" for hop in (*HOPS, ALARM) for name in PERCENTILES),
    *(f"raw.{hop.name}.{name}" for hop in HOPS[1:] for name in PERCENTILES),
    *COUNTS,
    *(f"{kind}.{part}" for kind in RESOURCES for part in PARTS),
)
"""Every metric that a threshold may name. `latency` counts from when a sample was due, `raw` from when it was made."""


def known_metric(name: str) -> bool:
    """Return whether a threshold may name this metric."""
    return re.sub(r"\s", "", name) in METRICS
