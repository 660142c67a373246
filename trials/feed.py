"""Samples of an offline run: the simulated fleet, played in this process or in a separate one.

Both ways give the same samples. In a separate process, fleet and detection run at the same time.
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
from simulator.playback.event_kinds import EVENTS
from simulator.playback.scenario import Scenario, ScheduledEvent
from simulator.playback.simulation import Simulation

TICKS_PER_MESSAGE: Final = 20
"""Ticks that the separate process sends at a time; it waits while the pipe is full."""
JOIN_TIMEOUT_S: Final = 10.0
EVENTS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "event": pl.String(),
    "time": pl.Int64(),
    "end": pl.Int64(),
}
"""Events on pumps that are no faults, times in therapy ms; `end` includes the ramp, and is `time` if the event is
instantaneous."""


class FeedError(RuntimeError):
    """The process that plays the fleet ended early; its own error is on stderr."""


@dataclass(frozen=True)
class FeedTick:
    """The plausible samples that the gateways sent by `now` (therapy ms), and the number of implausible ones."""

    now: int
    samples: pl.DataFrame
    rejected: int


@dataclass
class Feed:
    """Yields the samples of each of `ticks`; afterwards `injections` and `events` are those of the whole run."""

    scenario: Scenario
    start_ms: int
    ticks: int
    injections: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=INJECTIONS))
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EVENTS_SCHEMA))

    def play(self) -> Iterator[FeedTick]:
        """Play the fleet in this process."""
        recorder = FleetRecorder(Simulation(self.scenario, start_ms=self.start_ms))
        for _ in range(self.ticks):
            yield recorder.tick()
        self.injections, self.events = recorder.injections(), recorder.events()

    def play_in_process(self) -> Iterator[FeedTick]:
        """Play the fleet in a separate process; raises `FeedError` if that process ends early."""
        receiver, sender = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        fleet = context.Process(target=_send, args=(sender, self.scenario, self.start_ms, self.ticks), daemon=True)
        fleet.start()
        sender.close()
        try:
            for _ in range(0, self.ticks, TICKS_PER_MESSAGE):
                sizes, samples = receiver.recv()
                first = 0
                for now, height, rejected in sizes:
                    yield FeedTick(now, samples[first : first + height], rejected)
                    first += height
            self.injections, self.events = receiver.recv()
        except EOFError:
            raise FeedError("the process that plays the fleet ended early; its error is printed above") from None
        finally:
            receiver.close()
            fleet.join(JOIN_TIMEOUT_S)


def _send(pipe: Connection, scenario: Scenario, start_ms: int, ticks: int) -> None:
    """Play the fleet into the pipe until the run ends or the reader closes it."""
    feed = Feed(scenario, start_ms, ticks)
    playing = feed.play()
    try:
        for first in range(0, ticks, TICKS_PER_MESSAGE):
            batch = [next(playing) for _ in range(first, min(first + TICKS_PER_MESSAGE, ticks))]
            sizes = [(tick.now, tick.samples.height, tick.rejected) for tick in batch]
            pipe.send((sizes, pl.concat([tick.samples for tick in batch], rechunk=True)))
        next(playing, None)
        pipe.send((feed.injections, feed.events))
    except BrokenPipeError:
        return


class FleetRecorder:
    """Advances the simulated fleet and records its injections and events."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation, self._reporter = simulation, GroundTruthReporter(simulation)
        self._active: dict[tuple[str, str, int], int] = {}
        self._injections: list[dict[str, Any]] = []
        self._events: list[tuple[str, str, int, int]] = []

    def tick(self) -> FeedTick:
        """Advance the fleet by one interval and return what its gateways would send."""
        start_ms = self._simulation.time_ms
        samples = self._simulation.tick()
        plausible, _ = codec.plausible(samples)
        self._record_events(start_ms)
        self._record_injections()
        return FeedTick(self._simulation.time_ms, plausible, samples.height - plausible.height)

    def _record_events(self, start_ms: int) -> None:
        for planned, index in self._simulation.begun:
            if isinstance(planned, ScheduledEvent):
                event = EVENTS[planned.name]
                hold_s = event.hold_s if planned.hold_s is None else planned.hold_s
                end_ms = start_ms + round((event.ramp_s + hold_s) * 1000)
                serials = self._simulation.serials.gather(index)
                self._events += [(serial, planned.name, start_ms, end_ms) for serial in serials]

    def _record_injections(self) -> None:
        for change in self._reporter.changes():
            case = (change.pump, change.fault, change.since)
            if change.kind == "begun":
                self._active[case] = len(self._injections)
                self._injections.append(
                    {
                        "pump": change.pump,
                        "fault": change.fault,
                        "severity": change.severity,
                        "onset": change.since,
                        "end": None,
                    }
                )
            else:
                self._injections[self._active.pop(case)]["end"] = change.time

    def injections(self) -> pl.DataFrame:
        """Return the injections (`INJECTIONS`), each from when it took effect until its effects ended."""
        injections = pl.DataFrame(self._injections, INJECTIONS).filter(pl.col("severity") > 0)
        refills = self.events().filter(pl.col("event") == "refill")
        for effect, adjust in (("waits_for", start_at_refill), ("stays_until", extend_to_refill)):
            names = [fault.name for fault in FAULTS.values() if getattr(fault, effect) == "refill"]
            affected = pl.col("fault").is_in(names)
            injections = pl.concat([injections.filter(~affected), adjust(injections.filter(affected), refills)])
        permanent = [fault.name for fault in FAULTS.values() if fault.stays_until == "replacement"]
        end = pl.when(~pl.col("fault").is_in(permanent)).then(pl.col("end"))
        return injections.with_columns(end.alias("end")).sort("onset", "pump", "fault")

    def events(self) -> pl.DataFrame:
        """Return the events (`EVENTS_SCHEMA`) so far."""
        return pl.DataFrame(self._events, EVENTS_SCHEMA, orient="row")
