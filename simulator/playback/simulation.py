"""This file runs the simulated fleet: one tick is one interval of therapy time and one sample of every pump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.gateway_messages import Pumps
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from simulator.faults import FAULTS
from simulator.fleet import enrollment, physics, program, sensors, therapy, titration
from simulator.fleet.lots import LOTS
from simulator.fleet.program import Profiles
from simulator.fleet.state import F32, U32
from simulator.fleet.therapy import Fill
from simulator.fleet.wear import REVISIONS
from simulator.playback import injection
from simulator.playback.events import EVENTS, MISSED_AFTER_S
from simulator.playback.injection import Affected
from simulator.playback.notation import ScenarioError, known_fault, number, parse_duration
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault
from simulator.playback.schedule import Agenda, Planned

BLOCK: Final = 16_384
"""Pumps that are moved on together: few enough for their arrays to stay in the processor's cache."""
WEEK_S: Final = 7 * 86_400.0
THURSDAY_S: Final = 3 * 86_400.0
"""1970 began on a Thursday; schedules begin on Monday."""
STAYS: Final = ("catheter", "link", "silent", "clock")
"""Faults whose names begin so are not the pump's own, and outlive it."""
BOLUS_S: Final = 1800.0
MODEL: Final = "Peristaltic {:.0f} mL, revision {}"


class Simulation:
    """A fleet and its therapy clock. The same scenario, start and commands give the same samples, bit for bit.

    `begun` is what the agenda let begin with the latest tick, and on which pumps (indices).
    """

    def __init__(self, scenario: Scenario, *, start_ms: int, boot: int = 0, on_wire: bool = False) -> None:
        """Enrol the fleet; `start_ms` is therapy time in ms UTC. Raises `ScenarioError` where faults name no pump.

        With `on_wire` whoever sends the samples plays broker outages, as `cut_off` tells; else samples wait in here.
        """
        self.scenario = scenario
        self.fleet = enrollment.enrol(scenario.pumps, scenario.seed, start_ms / 1000)
        self.serials = pl.Series("pump", [enrollment.serial(index) for index in range(scenario.pumps)], pl.String)
        self._boot, self._start_ms, self._ticks = boot, start_ms, 0
        self._agenda = Agenda(scenario)
        self.begun: list[tuple[Planned, U32]] = []
        self.injections = injection.NONE
        self._way = injection.Way(on_wire)
        self._fills: list[tuple[U32, Fill]] = []
        self._extra = therapy.NO_EXTRA
        self._bent = np.empty(0, np.uint32)
        self._sample: sensors.Sample | None = None
        self._index = pl.Series("index", self.fleet.index)

    @property
    def time_ms(self) -> int:
        """Therapy time of the latest tick, ms UTC."""
        return self._start_ms + round(self._now_s * 1000)

    @property
    def _now_s(self) -> float:
        return self._ticks * self.scenario.interval_s

    def tick(self) -> pl.DataFrame:
        """Move the fleet on by one interval and return its samples.

        The frame has the pump's `index` (UInt32, ascending), then the columns of `SAMPLE_SCHEMA` with `sent` null.
        """
        from_s = (self.time_ms / 1000 + THURSDAY_S) % WEEK_S
        self._begin_faults()
        self._ticks += 1
        key = (self.scenario.seed, self._ticks)
        sample = self._advance(from_s, sensors.Noise(*key))
        injection.bend_sensors(sample, self.injections, self._now_s, key)
        self._sample, sample.last = sample, None
        return self._way.pass_on(self._heard(self._frame(sample)), self.injections, self._now_s, key)

    def inject(
        self, fault: str, indices: np.ndarray, *, severity: float, ramp_s: float = 0, hold_s: float | None = None
    ) -> None:
        """Begin a fault on these pumps now; the next tick has it. Raises `ScenarioError` with what is wrong."""
        known_fault(fault)
        number("severity", severity, 0, 1)
        parse_duration(ramp_s)
        parse_duration(0 if hold_s is None else hold_s)
        self.injections = self.injections.inject(
            fault, self._pumps(indices), self._now_s, severity=severity, ramp_s=ramp_s, hold_s=hold_s
        )

    def clear(self, indices: np.ndarray | None = None, fault: str | None = None) -> int:
        """End faults, of all pumps or all faults where None, and return how many pumps that touched.

        Conditions are nominal from the next tick; what was used up stays so. Faults still to come stay planned.
        """
        if fault is not None:
            known_fault(fault)
        self.injections, ended = self.injections.clear(None if indices is None else self._pumps(indices), fault)
        return ended

    def refill(self, fills: Sequence[tuple[np.ndarray, Fill]], after: str = "nothing") -> None:
        """Refill pumps at the next tick; `after` as in `broker.contract.commands.Refill`. Raises `TreatmentError`."""
        checked = [(self._pumps(indices), fill) for indices, fill in fills]
        extras = therapy.NO_EXTRA
        for index, fill in checked:
            therapy.check_fill(self.fleet, index, fill)
            changed = index[self.fleet.concentration_ug_ml[index] != np.float32(fill.entered_ug_ml)]
            changed = changed[self.fleet.mode[changed] == program.RUNNING]
            if after == "bridge":
                extras = extras.join(therapy.bridge(self.fleet, changed, fill.entered_ug_ml, self._now_s))
            elif after == "prime":
                extras = extras.join(therapy.prime(self.fleet, changed, self._now_s))
        self._add_extra(extras)
        self._fills += checked

    def prescribe(
        self,
        indices: np.ndarray,
        *,
        dose_ug_day: npt.NDArray[np.float64] | None = None,
        schedule: Profiles | None = None,
        mode: int = program.RUNNING,
    ) -> None:
        """Change the program of these pumps from the next tick on; what is None stays. Raises `TreatmentError`.

        A pump that no longer runs its program gives no bolus either.
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
            self._extra = self._extra.without(index)
        self._write_program(index)

    def give_bolus(self, indices: np.ndarray, *, dose_ug: float, over_s: float) -> None:
        """Give these pumps' patients a bolus beside the program, from now on. Raises `TreatmentError`."""
        self._add_extra(therapy.bolus(self.fleet, self._pumps(indices), dose_ug, over_s, self._now_s))

    def replace(self, indices: np.ndarray) -> None:
        """Put new pumps in; faults of catheter and link stay, all others go with the old pump, as do its boluses."""
        index = self._pumps(indices)
        for fault in list(self.injections.affected):
            if not fault.startswith(STAYS):
                self.injections, _ = self.injections.clear(index, fault)
        self._extra = self._extra.without(index)
        therapy.replace(self.fleet, index)

    def interrogate(self, indices: np.ndarray) -> list[str]:
        """Bring these pumps back from telemetry mode, set their clocks, and return what each says of itself."""
        index = self._pumps(indices)
        self.injections, _ = self.injections.clear(index, "telemetry_mode")
        self.fleet.clock_s[index] = 0
        return therapy.report(self.fleet[index])

    def _add_extra(self, more: therapy.Extra) -> None:
        running = np.isin(more.index, self._extra.left(self._now_s).index)
        if running.any():
            raise ScenarioError(
                f"{self.serials[int(more.index[running][0])]} is given a bolus already; wait until it ends"
            )
        self._extra = self._extra.join(more)

    def describe(self, own: range | None = None) -> Pumps:
        """Return what a birth tells of the pumps `own`, or of all, in the order of their indices."""
        own, count = range(len(self.fleet)) if own is None else own, len(self.fleet)
        where = slice(own.start, own.stop)
        fleet = self.fleet[where]
        return Pumps(
            serial=self.serials[where].to_list(),
            model=[
                MODEL.format(tank, REVISIONS[revision])
                for tank, revision in zip(fleet.reservoir_capacity_ml, fleet.revision, strict=True)
            ],
            lot=[LOTS[lot] for lot in fleet.lot],
            site=[enrollment.site(index, count) for index in own],
            group=[enrollment.GROUPS[group].name for group in fleet.group],
            reservoir_ml=fleet.reservoir_capacity_ml.tolist(),
            concentration_ug_ml=fleet.concentration_ug_ml.tolist(),
            program=enrollment.program_texts(fleet),
            dose_ug_day=enrollment.prescribed_ug_day(fleet),
        )

    def cut_off(self) -> U32:
        """Return the pumps, ascending, whose gateways have no broker as of the latest tick."""
        return self.injections.cut_off()

    def active(self) -> pl.DataFrame:
        """Return the truth: pump, fault, severity (Float32) as of the latest tick, since (therapy ms)."""
        return self._told(self._faults(), lambda here: here.severity_at(self._now_s))

    def meant(self) -> pl.DataFrame:
        """Return the same with each severity as it is after the ramp, and who is cut off so long that it is missed."""
        outages = {
            name: here
            for name, here in self.injections.affected.items()
            if name in EVENTS and EVENTS[name].in_ground_truth
        }
        missed = {name: here.keep(here.hold_s >= MISSED_AFTER_S) for name, here in outages.items()}
        return self._told(self._faults() | missed, lambda here: here.severity)

    def _faults(self) -> dict[str, Affected]:
        return {name: here for name, here in self.injections.affected.items() if name in FAULTS}

    def _told(self, affected: dict[str, Affected], severity: Callable[[Affected], F32]) -> pl.DataFrame:
        rows = [
            pl.DataFrame(
                {
                    "pump": self.serials.gather(here.index),
                    "fault": pl.repeat(name, len(here.index), dtype=pl.String, eager=True),
                    "severity": severity(here),
                    "since": self._start_ms + np.round(here.since_s * 1000).astype(np.int64),
                }
            )
            for name, here in sorted(affected.items())
        ]
        schema = {"pump": pl.String(), "fault": pl.String(), "severity": pl.Float32(), "since": pl.Int64()}
        return pl.concat([pl.DataFrame(schema=schema), *rows])

    def _begin_faults(self) -> None:
        """Let begin what is planned for the interval that begins now, and end what was held long enough."""
        self.injections = self.injections.expire(self._now_s)
        self.begun = list(self._agenda.begin(self._now_s, self.fleet))
        for planned, index in self.begun:
            if isinstance(planned, ScheduledFault):
                severity, ramp_s, hold_s = np.resize(planned.severity, len(index)), planned.ramp_s, planned.hold_s
            elif EVENTS[planned.name].function is None:
                self._happen(planned, index)
                continue
            else:
                event = EVENTS[planned.name]
                severity, ramp_s = np.full(len(index), planned.size), event.ramp_s
                hold_s = event.hold_s if planned.hold_s is None else planned.hold_s
            self.injections = self.injections.inject(
                planned.name, index, self._now_s, severity=severity, ramp_s=ramp_s, hold_s=hold_s
            )

    def _happen(self, event: ScheduledEvent, index: U32) -> None:
        """Let an instant happen, to those of the pumps for whom it is possible."""
        fleet = self.fleet
        if event.name == "refill":
            kinds = np.stack([fleet.reservoir_capacity_ml[index], fleet.concentration_ug_ml[index]], axis=1).astype(
                np.float64
            )
            for tank, strength in np.unique(kinds, axis=0).tolist():
                these = index[np.all(kinds == (tank, strength), axis=1)]
                self._fills.append((these, Fill(tank, strength, tank, strength)))
        elif event.name == "program":
            now_s = self._start_ms / 1000 + self._now_s
            dose = fleet.dose_ug_day[index].astype(np.float64)
            base = titration.course_ug_day(fleet, index, now_s) if event.on_course else dose
            fleet.dose_ug_day[index] = titration.titrated(fleet, index, base * event.change)
            self._write_program(index)
        else:
            free = index[~np.isin(index, self._extra.left(self._now_s).index) & (fleet.mode[index] != program.STOPPED)]
            given = therapy.bolus(fleet, free, event.dose_ug, BOLUS_S, self._now_s)
            self._extra = self._extra.join(given)

    def _write_program(self, index: U32) -> None:
        """Let a programmer write these pumps' program; what a failing memory had made of it is gone."""
        self.injections, _ = self.injections.clear(index, "program_corrupted")
        therapy.set_rate(self.fleet, index)

    def _advance(self, from_s: float, noise: sensors.Noise) -> sensors.Sample:
        fleet, dt_s = self.fleet, self.scenario.interval_s
        fleet.now_s = self._start_ms / 1000 + self._now_s - dt_s
        fleet.restore(self._bent)
        self._bent = injection.bend_physics(fleet, self.injections, self._now_s)
        for index, refill in self._fills:
            therapy.fill(fleet, index, refill)
            self._bent = np.append(self._bent, index)
        self._fills.clear()
        if len(self._extra.index):
            self._bent = np.append(self._bent, self._extra.flow(fleet, self._now_s - dt_s, dt_s))
            self._extra = self._extra.left(self._now_s)
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

    def _heard(self, frame: pl.DataFrame) -> pl.DataFrame:
        unheard = self.fleet.unheard > 0
        return frame.filter(pl.Series(~unheard)) if unheard.any() else frame

    def _frame(self, sample: sensors.Sample) -> pl.DataFrame:
        constants: dict[str, int | None] = {"time": self.time_ms, "sent": None, "seq": self._ticks}
        constants |= dict.fromkeys(SIGNAL_NAMES - sample.readings.keys())
        clocks = []
        if self.fleet.clock_s.any():
            del constants["time"]
            ahead_ms = np.round(self.fleet.clock_s * 1000).astype(np.int64)
            clocks.append(pl.Series("time", ahead_ms + self.time_ms))
        return pl.DataFrame(
            [
                self._index,
                self.serials,
                pl.Series("boot", self.fleet.boots.astype(np.int64) + self._boot),
                pl.Series("program", self.fleet.program),
                pl.Series("flags", sample.flags),
                *clocks,
                *(pl.Series(name, values) for name, values in sample.readings.items()),
            ]
        ).select(
            "index",
            *(
                pl.lit(constants[name], dtype=dtype).alias(name) if name in constants else pl.col(name).cast(dtype)
                for name, dtype in SAMPLE_SCHEMA.items()
            ),
        )

    def _pumps(self, indices: np.ndarray) -> U32:
        given = np.unique(np.asarray(indices))
        if not len(given) or not np.issubdtype(given.dtype, np.integer):
            raise ScenarioError(f"pumps are {given[:5].tolist()}; at least one is needed, by its index, a whole number")
        wrong = given[(given < 0) | (given >= len(self.fleet))]
        if len(wrong):
            raise ScenarioError(
                f"pumps {wrong[:5].tolist()} are not in the fleet, whose pumps are 0 to {len(self.fleet) - 1}"
            )
        return given.astype(np.uint32)
