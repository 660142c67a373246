"""The simulated fleet over time: each tick is one interval of therapy time and one sample of every pump."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.gateway_messages import Pumps
from simulator.faults import FAULTS
from simulator.fleet import enrollment, physics, program, sensors, therapy, titration
from simulator.fleet.program import Profiles
from simulator.fleet.state import U32
from simulator.fleet.therapy import Fill
from simulator.playback import ground_truth, injection, telemetry
from simulator.playback.event_kinds import EVENTS
from simulator.playback.notation import ScenarioError, known_fault, number, parse_duration
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault
from simulator.playback.schedule import Entry
from simulator.playback.timeline import Timeline
from simulator.playback.treatments import Treatments

BLOCK: Final = 16_384
"""Pumps that are advanced together: few enough for their arrays to stay in the CPU's cache."""
WEEK_S: Final = 7 * 86_400.0
THURSDAY_S: Final = 3 * 86_400.0
"""1970 began on a Thursday; schedules begin on Monday."""


class Simulation:
    """A fleet and its therapy clock; the same scenario, start and commands give the same samples, bit for bit.

    `begun` lists the scenario's entries that began with the latest tick, each with its pumps (indices).
    """

    def __init__(
        self, scenario: Scenario, *, start_ms: int, boot: int = 0, on_wire: bool = False, first: int = 0
    ) -> None:
        """Enroll the fleet; `start_ms` is therapy time in ms UTC. Raises `ScenarioError` if a fault has no pumps.

        With `on_wire` the sender of the samples plays broker outages on the pumps that `cut_off` returns; otherwise
        their samples wait inside the simulation. The serials of the pumps count from `first`, for a fleet of several
        simulations.
        """
        self.scenario = scenario
        self.fleet = enrollment.enrol(scenario.pumps, scenario.seed, start_ms / 1000)
        self.serials = pl.Series(
            "pump", [enrollment.serial(first + index) for index in range(scenario.pumps)], pl.String
        )
        self._boot, self._start_ms, self._ticks = boot, start_ms, 0
        self.timeline = Timeline(scenario)
        self.begun: list[tuple[Entry, U32]] = []
        self.injections = injection.NONE
        self._link = injection.Link(on_wire)
        self._treatments = Treatments(self.fleet, self.serials)
        self._altered = np.empty(0, np.uint32)
        self._sample: sensors.Sample | None = None

    @property
    def time_ms(self) -> int:
        """Therapy time of the latest tick, ms UTC."""
        return self._start_ms + round(self._now_s * 1000)

    @property
    def _now_s(self) -> float:
        return self._ticks * self.scenario.interval_s

    def tick(self) -> pl.DataFrame:
        """Advance the fleet by one interval and return its samples.

        The frame has the pump's `index` (UInt32, ascending), then the columns of `SAMPLE_SCHEMA` with `sent` null.
        """
        from_s = (self.time_ms / 1000 + THURSDAY_S) % WEEK_S
        self._begin_entries()
        self._ticks += 1
        key = (self.scenario.seed, self._ticks)
        sample = self._advance(from_s, sensors.Noise(*key))
        injection.apply_to_sensors(sample, self.injections, self._now_s, key)
        self._sample, sample.last = sample, None
        frame = telemetry.samples(
            self.fleet, self.serials, sample, time_ms=self.time_ms, seq=self._ticks, boot=self._boot
        )
        return self._link.transmit(self._audible(frame), self.injections, self._now_s, key)

    def inject(
        self, fault: str, indices: np.ndarray, *, severity: float, ramp_s: float = 0, hold_s: float | None = None
    ) -> None:
        """Begin a fault on these pumps; it acts from the next tick on. Raises `ScenarioError`."""
        known_fault(fault)
        number("severity", severity, 0, 1)
        parse_duration(ramp_s)
        parse_duration(0 if hold_s is None else hold_s)
        self.injections = self.injections.inject(
            fault, self._pumps(indices), self._now_s, severity=severity, ramp_s=ramp_s, hold_s=hold_s
        )

    def clear(self, indices: np.ndarray | None = None, fault: str | None = None) -> int:
        """End faults (None: on all pumps; all faults), and return the number of pumps on which any ended.

        Conditions are nominal from the next tick on, but used drug and charge are not restored. Faults that are
        scheduled for later stay scheduled.
        """
        if fault is not None:
            known_fault(fault)
        self.injections, ended = self.injections.clear(None if indices is None else self._pumps(indices), fault)
        return ended

    def refill(self, fills: Sequence[tuple[np.ndarray, Fill]], after: str = "nothing") -> None:
        """Refill pumps at the next tick; `after` as in `broker.contract.commands.Refill`. Raises `TreatmentError`."""
        self._treatments.refill([(self._pumps(indices), fill) for indices, fill in fills], after, self._now_s)

    def prescribe(
        self,
        indices: np.ndarray,
        *,
        dose_ug_day: npt.NDArray[np.float64] | None = None,
        schedule: Profiles | None = None,
        mode: int = program.RUNNING,
    ) -> None:
        """Change the program of these pumps from the next tick on; None keeps a value. Raises `TreatmentError`.

        Boluses end on a pump that no longer runs its program.
        """
        index, fleet = self._pumps(indices), self.fleet
        if dose_ug_day is not None:
            therapy.check_dose(fleet, index, dose_ug_day)
        if schedule is not None:
            try:
                fleet.profiles, row = fleet.profiles.add(schedule)
            except ValueError as error:
                raise ScenarioError(str(error)) from error
            fleet.profile[index] = row
        if dose_ug_day is not None:
            fleet.dose_ug_day[index] = dose_ug_day
        fleet.mode[index] = mode
        if mode != program.RUNNING:
            self._treatments.stop_boluses(index)
        self._write_program(index)

    def give_bolus(self, indices: np.ndarray, *, dose_ug: float, over_s: float) -> None:
        """Begin a bolus on top of the program. Raises `TreatmentError`."""
        self._treatments.bolus(self._pumps(indices), dose_ug, over_s, self._now_s)

    def replace(self, indices: np.ndarray) -> None:
        """Replace these pumps; faults of catheter and link stay, all others and boluses end with the old pump."""
        index = self._pumps(indices)
        for name in list(self.injections.affected):
            if not (FAULTS[name] if name in FAULTS else EVENTS[name]).survives_replacement:
                self.injections, _ = self.injections.clear(index, name)
        self._treatments.stop_boluses(index)
        therapy.replace(self.fleet, index)

    def interrogate(self, indices: np.ndarray) -> list[str]:
        """Interrogate these pumps, which ends telemetry mode and sets their clocks, and return each one's report."""
        index = self._pumps(indices)
        self._end_faults(index, "interrogation")
        self.fleet.clock_s[index] = 0
        return therapy.report(self.fleet[index])

    def describe(self, pumps: range | None = None) -> Pumps:
        """Return what a birth says about `pumps`, or about all, in the order of their indices."""
        return telemetry.description(self.fleet, self.serials, range(len(self.fleet)) if pumps is None else pumps)

    def cut_off(self) -> U32:
        """Return the pumps, ascending, whose gateways have no broker at the latest tick."""
        return self.injections.cut_off()

    def active(self) -> pl.DataFrame:
        """Return the faults (`ground_truth.SCHEMA`) with their severities at the latest tick."""
        return ground_truth.active(self.injections, self.serials, self._start_ms, self._now_s)

    def ground_truth(self) -> pl.DataFrame:
        """Return the faults (`ground_truth.SCHEMA`) with their severities after the ramp, and long outages."""
        return ground_truth.injected(self.injections, self.serials, self._start_ms)

    def _begin_entries(self) -> None:
        """End the faults whose duration is over, and begin the schedule's entries of the interval that begins now."""
        self.injections = self.injections.expire(self._now_s)
        self.begun = self.timeline.begin(self.fleet)
        for entry, index in self.begun:
            if isinstance(entry, ScheduledFault):
                severity, ramp_s, hold_s = np.resize(entry.severity, len(index)), entry.ramp_s, entry.hold_s
            elif EVENTS[entry.name].function is None:
                self._apply_instant(entry, index)
                continue
            else:
                event = EVENTS[entry.name]
                severity, ramp_s = np.full(len(index), entry.size), event.ramp_s
                hold_s = event.hold_s if entry.hold_s is None else entry.hold_s
            self.injections = self.injections.inject(
                entry.name, index, self._now_s, severity=severity, ramp_s=ramp_s, hold_s=hold_s
            )

    def _apply_instant(self, event: ScheduledEvent, index: U32) -> None:
        """Apply a refill, a new program or a bolus to those of the pumps for which it is possible."""
        fleet = self.fleet
        if event.name == "refill":
            self._treatments.refill_to_capacity(index)
        elif event.name == "program":
            now_s = self._start_ms / 1000 + self._now_s
            dose = fleet.dose_ug_day[index].astype(np.float64)
            base = titration.course_ug_day(fleet, index, now_s) if event.on_course else dose
            fleet.dose_ug_day[index] = titration.titrated(fleet, index, base * event.change)
            self._write_program(index)
        else:
            self._treatments.bolus_if_possible(index, event.dose_ug, self._now_s)

    def _write_program(self, index: U32) -> None:
        """Write these pumps' programs as a programmer does."""
        self._end_faults(index, "new program")
        therapy.set_rate(self.fleet, index)

    def _end_faults(self, index: U32, action: str) -> None:
        """End the faults of these pumps that are `ended_by` this action."""
        for fault in FAULTS.values():
            if fault.ended_by == action:
                self.injections, _ = self.injections.clear(index, fault.name)

    def _advance(self, from_s: float, noise: sensors.Noise) -> sensors.Sample:
        fleet, dt_s = self.fleet, self.scenario.interval_s
        fleet.now_s = self._start_ms / 1000 + self._now_s - dt_s
        fleet.restore(self._altered)
        faulty = injection.apply_to_physics(fleet, self.injections, self._now_s)
        self._altered = np.append(faulty, self._treatments.apply(self._now_s, dt_s))
        factor = fleet.profiles.mean_factor(from_s, dt_s)
        warmth_c = physics.warmth_c(from_s + dt_s)
        sample = sensors.unread(len(fleet))
        sample.last = self._sample
        for first in range(0, len(fleet), BLOCK):
            block = slice(first, first + BLOCK)
            part = fleet[block]
            drawn = noise.normal(len(part))
            physics.advance(part, factor, drawn[0], dt_s=dt_s, warmth_c=warmth_c)
            sensors.measure(part, sample[block], drawn)
        return sample

    def _audible(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Leave out the samples of pumps that are inside a scanner."""
        unheard = self.fleet.unheard > 0
        return frame.filter(pl.Series(~unheard)) if unheard.any() else frame

    def _pumps(self, indices: np.ndarray) -> U32:
        index = np.unique(np.asarray(indices))
        if not len(index) or not np.issubdtype(index.dtype, np.integer):
            raise ScenarioError(f"pumps is {index[:5].tolist()}; select at least one by its index, a whole number")
        outside = index[(index < 0) | (index >= len(self.fleet))]
        if len(outside):
            raise ScenarioError(
                f"pumps {outside[:5].tolist()} are not in the fleet, whose pumps are 0 to {len(self.fleet) - 1}"
            )
        return index.astype(np.uint32)
