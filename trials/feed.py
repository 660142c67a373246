"""This file is where an offline run's samples come from: the simulated fleet, in this process or in one beside it.

Both give the same, sample by sample. Beside it, fleet and detection work at the same time.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

import polars as pl

from broker.contract import codec
from broker.truth.injections import INJECTIONS, extend_to_refill, start_at_refill
from simulator.faults import FAULTS
from simulator.gateway.ground_truth import GroundTruthReporter
from simulator.playback.events import EVENTS
from simulator.playback.scenario import Scenario, ScheduledEvent
from simulator.playback.simulation import Simulation

BATCH: Final = 20
"""Ticks that come from the other process at a time; it waits when the pipe is full."""
END_S: Final = 10.0
EVENTS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "event": pl.String(),
    "time": pl.Int64(),
    "end": pl.Int64(),
}
"""What happened to healthy pumps, in therapy ms; an instant ends when it begins."""


class FeedError(RuntimeError):
    """The process of the simulated fleet ended too early; it has said why on stderr."""


@dataclass(frozen=True)
class FeedTick:
    """What the gateways sent until `now` (therapy ms), and how many samples beside it could not be."""

    now: int
    samples: pl.DataFrame
    refused: int


@dataclass
class Feed:
    """Gives what is heard at each of `ticks`; afterwards it knows what was wrong and what happened."""

    scenario: Scenario
    start_ms: int
    ticks: int
    injections: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=INJECTIONS))
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EVENTS_SCHEMA))

    def here(self) -> Iterator[FeedTick]:
        """Play the fleet in this process."""
        story = Story(Simulation(self.scenario, start_ms=self.start_ms))
        for _ in range(self.ticks):
            yield story.tick()
        self.injections, self.events = story.injections(), story.events()

    def beside(self) -> Iterator[FeedTick]:
        """Play the fleet in another process; raises `FeedError` where that ends too early."""
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        fleet = context.Process(target=_tell, args=(theirs, self.scenario, self.start_ms, self.ticks), daemon=True)
        fleet.start()
        theirs.close()
        try:
            for _ in range(0, self.ticks, BATCH):
                parts, samples = ours.recv()
                first = 0
                for now, height, refused in parts:
                    yield FeedTick(now, samples[first : first + height], refused)
                    first += height
            self.injections, self.events = ours.recv()
        except EOFError:
            raise FeedError("the process that plays the fleet ended too early; what it said stands above") from None
        finally:
            ours.close()
            fleet.join(END_S)


def _tell(pipe: Connection, scenario: Scenario, start_ms: int, ticks: int) -> None:
    """Play the fleet for whoever reads the pipe, until they are gone."""
    feed = Feed(scenario, start_ms, ticks)
    heard = feed.here()
    try:
        for first in range(0, ticks, BATCH):
            batch = [next(heard) for _ in range(first, min(first + BATCH, ticks))]
            parts = [(each.now, each.samples.height, each.refused) for each in batch]
            pipe.send((parts, pl.concat([each.samples for each in batch], rechunk=True)))
        next(heard, None)
        pipe.send((feed.injections, feed.events))
    except BrokenPipeError:
        return


class Story:
    """The fleet, and the book of what was really wrong and what happened."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation, self._teller = simulation, GroundTruthReporter(simulation)
        self._open: dict[tuple[str, str, int], int] = {}
        self._wrong: list[dict[str, Any]] = []
        self._happened: list[tuple[str, str, int, int]] = []

    def tick(self) -> FeedTick:
        """Move the fleet on and return what its gateways would send."""
        simulation, begins = self._simulation, self._simulation.time_ms
        frame = simulation.tick()
        good, _ = codec.plausible(frame)
        for planned, index in simulation.begun:
            if isinstance(planned, ScheduledEvent):
                event = EVENTS[planned.name]
                hold_s = event.hold_s if planned.hold_s is None else planned.hold_s
                ends = begins + round((event.ramp_s + hold_s) * 1000)
                self._happened += [(serial, planned.name, begins, ends) for serial in simulation.serials.gather(index)]
        for change in self._teller.changes():
            case = (change.pump, change.fault, change.since)
            if change.kind == "begun":
                self._open[case] = len(self._wrong)
                self._wrong.append(
                    {
                        "pump": change.pump,
                        "fault": change.fault,
                        "severity": change.severity,
                        "onset": change.since,
                        "end": None,
                    }
                )
            else:
                self._wrong[self._open.pop(case)]["end"] = change.time
        return FeedTick(simulation.time_ms, good, frame.height - good.height)

    def injections(self) -> pl.DataFrame:
        """Return the injections, from when they bit until what they did was over."""
        told = pl.DataFrame(self._wrong, INJECTIONS).filter(pl.col("severity") > 0)
        refills = self.events().filter(pl.col("event") == "refill")
        for effect, judge in (("waits_for", start_at_refill), ("stays_until", extend_to_refill)):
            names = [fault.name for fault in FAULTS.values() if getattr(fault, effect) == "refill"]
            concerned = pl.col("fault").is_in(names)
            told = pl.concat([told.filter(~concerned), judge(told.filter(concerned), refills)])
        for_good = [fault.name for fault in FAULTS.values() if fault.stays_until == "replacement"]
        lasting = pl.when(~pl.col("fault").is_in(for_good)).then(pl.col("end"))
        return told.with_columns(lasting.alias("end")).sort("onset", "pump", "fault")

    def events(self) -> pl.DataFrame:
        """Return what happened to healthy pumps."""
        return pl.DataFrame(self._happened, EVENTS_SCHEMA, orient="row")
