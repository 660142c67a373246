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
SYSTEM: Final = ("broker", "processor", "dashboard")
PARTS: Final = (*SYSTEM, "generator", "all")
RESOURCES: Final = {"cpu": "cores used, average", "memory": "MB, most"}
BUSIEST: Final = "cpu"
"""Cores used by the busiest part of the system, the generator left out."""
SHORT: Final = {name: f"latency.shown.{name}" for name in PERCENTILES}
"""Metrics by their short names on the command line."""
UNITS: Final = {"": 1.0, "s": 1.0, "ms": 0.001, "%": 0.01, "MB": 1.0}
METRICS: Final = (
    BUSIEST,
    *(f"latency.{hop.name}.{name}" for hop in (*HOPS, ALARM) for name in PERCENTILES),
    *(f"raw.{hop.name}.{name}" for hop in HOPS[1:] for name in PERCENTILES),
    *COUNTS,
    *(f"{kind}.{part}" for kind in RESOURCES for part in PARTS),
)
"""Every metric that a threshold may name. `latency` counts from when a sample was due, `raw` from when it was made."""


def limit(text: str) -> tuple[str, float] | None:
    """Return metric and limit of a text such as "p99=1s", "loss=0" or "cpu.processor=90%"; None if it is none."""
    found = re.fullmatch(r"\s*([\w.]+)\s*=\s*(\d+(?:\.\d+)?)\s*(\D*?)\s*", text)
    if found is None or found[3] not in UNITS:
        return None
    return SHORT.get(found[1], found[1]), float(found[2]) * UNITS[found[3]]


def known_metric(name: str) -> bool:
    """Return whether a threshold may name this metric."""
    return re.sub(r"\s", "", name) in METRICS
