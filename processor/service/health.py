"""This file looks the processor over: clock, bounds, lag, what was moved aside; for its own rules and for screens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.store.snapshot import CapacityLimit, Health
from processor.engine import sequence
from processor.intake.message_queue import Intake
from processor.pipeline import Pipeline
from processor.service import capacity
from processor.service.metering import Meter
from processor.service.store import Store
from processor.watch import readings

LOOK_S: Final = 1.0
"""So often the processor looks at itself."""
LAG_S: Final = 10.0
"""Samples may take so long to the screens; a modelling choice, ten times what is usual under full load."""
CLOCK_SAID_S: Final = 300.0
"""So long people are told that the clock was set."""
MAX_NAMED: Final = 5


@dataclass
class HealthMonitor:
    """Looks at the parts of one run, in the data directory `data`; what it finds wrong is a trouble of the meter."""

    data: Path
    meter: Meter
    pipeline: Pipeline
    store: Store
    intake: Intake
    receive_maximum: int
    max_rows: int
    _looked: float = -math.inf
    _clock_set: float = 0.0

    def health(self, now: int, *, protocol: str, connected: bool) -> Health:
        """Return how the processor is at `now` (wall ms)."""
        return self.meter.health(now, self.pipeline, self._bounds(), protocol=protocol, connected=connected)

    def readings(self, clock: float) -> pl.DataFrame | None:
        """Return what the system's rules judge, once in `LOOK_S` of `clock` (s, it only runs); None in between."""
        if clock - self._looked < LOOK_S:
            return None
        self._looked = clock
        self.look_for_unreadable()
        registry, state = self.pipeline.registry, self.pipeline.state
        return readings.frame(
            readings.troubles(self.meter.troubles),
            readings.bounds(self._bounds()),
            readings.lag(self.meter.lag_s, LAG_S),
            readings.counts(
                sequence.totals(state),
                dropped=registry.dropped,
                refused=self.pipeline.quarantine.count,
                droppers=registry.droppers(),
            ),
        )

    def look_for_unreadable(self) -> None:
        """Say what was moved aside because it could not be read, now or at an earlier start, until it is taken away."""
        aside = sorted(path.name for path in self.data.glob("*.unreadable-*"))
        if aside:
            text = f"could not be read and was moved aside in {self.data}: {', '.join(aside[:MAX_NAMED])}"
            self.meter.trouble("stored records", text)
        else:
            self.meter.recovered("stored records")

    def look_at_the_clock(self, now: int, clock: float) -> str | None:
        """Where the wall clock was set, silence counts on from where it was; that is said for a while, and returned.

        `now` is wall ms, `clock` one that only runs, in s. None where it was not set.
        """
        step_ms = self.meter.clock.stepped(now, clock)
        if step_ms:
            self.pipeline.clock_set(step_ms)
            self._clock_set = clock
            way = "on" if step_ms > 0 else "back"
            text = f"the clock of this machine was set {way} by {abs(step_ms) / 1000:,.0f} s"
            self.meter.trouble("clock", text)
            return text
        if clock - self._clock_set >= CLOCK_SAID_S:
            self.meter.recovered("clock")
        return None

    def _bounds(self) -> list[CapacityLimit]:
        return capacity.every(
            self.intake,
            self.store,
            self.pipeline,
            receive_maximum=self.receive_maximum,
            max_rows=self.max_rows,
        )
