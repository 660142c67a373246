"""Metering of the processor itself: rates, latencies, lag, and what is in trouble."""

from __future__ import annotations

import collections
import logging
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.log_events import event
from broker.metrics.readings import Distribution
from broker.store.snapshot import ALARMS_SCHEMA, CapacityLimit, Health
from processor.engine import sequence
from processor.pipeline import Pipeline
from processor.rules.rule import targets_of
from processor.service.wall_clock import WallClock

log = logging.getLogger("processor")

RATE_PERIOD_MS: Final = 5_000
LAG_HOLD_MS: Final = 10_000
"""Snapshots without new samples show the last lag for this long."""
MAX_LATENCIES: Final = 50_000
MAX_LATENCIES_PER_BATCH: Final = 1_000


@dataclass
class Meter:
    """Counts since the start (`started`, wall ms).

    `lag_s` is the age of the samples in the latest snapshot with new ones, `troubles` what fails now, in words. The
    latest snapshot was written at `shown_at` (wall ms) with these `alarms` (`ALARMS_SCHEMA`); `latest` is the latest
    health. `latency` counts the ages of samples.
    """

    started: int
    broker: str
    samples: int = 0
    messages: int = 0
    sessions: int = 0
    version: int = 0
    clock: WallClock = field(default_factory=WallClock)
    lag_s: float = 0.0
    troubles: dict[str, str] = field(default_factory=dict)
    shown_at: int = 0
    alarms: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ALARMS_SCHEMA))
    latest: Health | None = None
    latency: Distribution = field(default_factory=Distribution)
    _lag_at: int = 0
    _counted: dict[str, int] = field(default_factory=dict)
    _grown: dict[str, int] = field(default_factory=dict)
    _sent: list[npt.NDArray[np.int64]] = field(default_factory=list)
    _latencies: collections.deque[float] = field(default_factory=lambda: collections.deque(maxlen=MAX_LATENCIES))
    _marks: collections.deque[tuple[int, int]] = field(default_factory=lambda: collections.deque(maxlen=1_000))

    def count(self, samples: pl.DataFrame) -> None:
        """Count the samples of a batch; an even selection of its send times is kept for the latency."""
        self.samples += samples.height
        sent = samples["sent"].drop_nulls().to_numpy()
        if sent.size:
            self._sent.append(sent[:: max(1, sent.size // MAX_LATENCIES_PER_BATCH)])

    def shown(self, now: int, sent: list[npt.NDArray[np.int64]]) -> None:
        """Record that what was `sent` (wall ms; see `take_unseen`) is in a snapshot that was complete at `now`."""
        self.shown_at = now
        ages_ms = [(now - each).clip(0) for each in sent]
        if ages_ms:
            self.lag_s, self._lag_at = float(np.median(np.concatenate(ages_ms))) / 1000.0, now
        elif now - self._lag_at > LAG_HOLD_MS:
            self.lag_s = 0.0
        for ages in ages_ms:
            self._latencies.extend(ages.tolist())
            self.latency.add_all(ages / 1000.0)

    def take_unseen(self) -> list[npt.NDArray[np.int64]]:
        """Return when the samples were sent that a snapshot made now is the first to contain."""
        sent, self._sent = self._sent, []
        return sent

    def still_unseen(self, sent: list[npt.NDArray[np.int64]]) -> None:
        """Keep what `take_unseen` returned: the snapshot could not be written."""
        self._sent[:0] = sent

    def trouble(self, part: str, text: str) -> None:
        """Log once that a part fails, and show it until it recovers."""
        if part not in self.troubles:
            log.error("%s", text, extra=event("trouble_began", what=part))
        self.troubles[part] = text

    def recovered(self, part: str) -> None:
        """Log once that a part works again."""
        if self.troubles.pop(part, None) is not None:
            log.info("%s: recovered", part, extra=event("trouble_ended", what=part))

    def health(
        self, now: int, pipeline: Pipeline, limits: list[CapacityLimit], *, protocol: str, connected: bool
    ) -> Health:
        """Return the processor's health at `now` (wall ms), as the next snapshot version."""
        self.version += 1
        self._marks.append((now, self.samples))
        registry, counted = pipeline.registry, sequence.totals(pipeline.state)
        therapy_start, therapy_ms, speed = registry.gateways.online_clock(now)
        counts = {
            "lost": counted.lost,
            "late": counted.late,
            "repeated": counted.repeated,
            "refused": pipeline.quarantine.count,
            "reconnects": max(0, self.sessions - 1),
        }
        self._note_growth(counts, now)
        self.latest = Health(
            version=self.version,
            written=now,
            started=self.started,
            therapy_start=therapy_start,
            therapy_ms=therapy_ms,
            speed=speed,
            broker=self.broker,
            protocol=protocol,
            connected=connected,
            samples=self.samples,
            samples_per_s=self._rate(now),
            messages=self.messages,
            lost=counts["lost"],
            late=counts["late"],
            repeated=counts["repeated"],
            refused=counts["refused"],
            reconnects=counts["reconnects"],
            grown=dict(self._grown),
            refusals=list(pipeline.quarantine.latest)[::-1],
            latency_ms=self._percentiles(),
            bounds=limits,
            clock_steps=self.clock.steps,
            faults=list(registry.faults),
            fault_titles={name: title for name, title in registry.faults.items() if title},
            rules={rule.name: rule.title for rule in pipeline.rules},
            rule_targets=targets_of(pipeline.listed),
            notes=list(self.troubles.values()),
            silence=pipeline.gateways.counted if pipeline.shared else None,
        )
        return self.latest

    def _note_growth(self, counts: dict[str, int], now: int) -> None:
        """Note which counts are higher than ever; those of an earlier run, from a checkpoint, did not grow now."""
        for name, value in counts.items():
            if value > self._counted.setdefault(name, value):
                self._counted[name], self._grown[name] = value, now

    def _rate(self, now: int) -> float:
        then, count = next(((t, n) for t, n in self._marks if t >= now - RATE_PERIOD_MS), (now, self.samples))
        return (self.samples - count) / max(1, now - then) * 1000.0

    def _percentiles(self) -> dict[str, float]:
        if not self._latencies:
            return {}
        values = np.percentile(np.fromiter(self._latencies, dtype=np.float64), (50, 95, 99))
        return dict(zip(("p50", "p95", "p99"), (round(float(value), 1) for value in values), strict=True))
