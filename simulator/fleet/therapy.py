"""Treatment of pumps: refill, program, bolus, bridge, prime, replace, interrogate.

A treatment out of limits is refused with a `TreatmentError` before it changes any pump; else it applies to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.datasheet import RESIDUAL_ML
from broker.contract.dose_limits import (
    BOLUS_S,
    CONCENTRATIONS_UG_ML,
    MAX_ACTUAL_UG_ML,
    MAX_BOLUS_UG,
    MAX_ML_DAY,
    MAX_UG_DAY,
    MIN_ML_DAY,
    MINIMUM_UL_H,
)
from broker.contract.signals import FLAG_BIT, FLAGS
from simulator.fleet import lots, program
from simulator.fleet.enrollment import program_texts, serial
from simulator.fleet.physics import SERVICE_LIFE_S
from simulator.fleet.state import F64, U32, Fleet
from simulator.fleet.status import battery_v, flags
from simulator.fleet.titration import max_step
from simulator.fleet.wear import COATED

PRIME_H: Final = 0.5
"""Duration of a priming bolus, in h; modelling choice."""
FRESH_S: Final = -1.0
"""Value of `Fleet.session_s` for a programming session that the pump has not reported yet."""
TOLERANCE: Final = 1e-4
"""Tolerance of limits, because doses are stored as float32."""


class TreatmentError(ValueError):
    """A treatment that is refused; the text says which pump, which value and what is allowed."""


@dataclass(frozen=True)
class Fill:
    """A refill: volume and concentration as entered in the programmer, and as actually filled."""

    entered_ml: float
    entered_ug_ml: float
    actual_ml: float
    actual_ug_ml: float


@dataclass(frozen=True)
class Extra:
    """Temporary flow on top of the program, for boluses and bridges; times in therapy seconds since the start."""

    index: U32
    ul_h: F64
    from_s: F64
    until_s: F64

    def join(self, other: Extra) -> Extra:
        """Return the flows of both."""
        return Extra(*(np.append(getattr(self, name), getattr(other, name)) for name in EXTRA_FIELDS))

    def left(self, now_s: float) -> Extra:
        """Return the flows that have not ended."""
        return self._keep(self.until_s > now_s)

    def without(self, index: U32) -> Extra:
        """Return the flows of all other pumps."""
        return self._keep(~np.isin(self.index, index))

    def _keep(self, which: npt.NDArray[np.bool_]) -> Extra:
        return Extra(*(getattr(self, name)[which] for name in EXTRA_FIELDS))

    def flow(self, fleet: Fleet, from_s: float, dt_s: float) -> U32:
        """Add each mean flow over the interval to its pump's bolus, and return the pumps."""
        overlap_s = np.minimum(self.until_s, from_s + dt_s) - np.maximum(self.from_s, from_s)
        np.add.at(fleet.bolus_ul_h, self.index, (self.ul_h * np.maximum(overlap_s, 0) / dt_s).astype(np.float32))
        return self.index


EXTRA_FIELDS: Final = ("index", "ul_h", "from_s", "until_s")


def extra(index: U32, ul_h: F64, now_s: float, lasts_s: F64) -> Extra:
    """Return flow on top of the program that begins now."""
    return Extra(index, ul_h, np.full(len(index), now_s), now_s + lasts_s)


NO_EXTRA: Final = extra(np.empty(0, np.uint32), np.empty(0), 0.0, np.empty(0))


def check_dose(fleet: Fleet, index: U32, dose_ug_day: F64) -> None:
    """Refuse a dose that the pump cannot deliver or that changes too much at once."""
    _bound("dose", dose_ug_day, index, (0, MAX_UG_DAY), "µg/day")
    check_flow(index, dose_ug_day, fleet.concentration_ug_ml[index].astype(np.float64))
    max_change = max_step(fleet, index)
    change = dose_ug_day / fleet.dose_ug_day[index].astype(np.float64) - 1
    beyond = np.flatnonzero(np.abs(change) > max_change + TOLERANCE)
    if len(beyond):
        pump = beyond[0]
        raise TreatmentError(
            f"{serial(int(index[pump]))} would change from {fleet.dose_ug_day[index[pump]]:.0f} to "
            f"{dose_ug_day[pump]:.0f} µg/day, by {change[pump]:+.0%}; allowed at once is {max_change[pump]:.0%} for "
            "this patient, so change the dose in steps"
        )


def check_flow(index: U32, dose_ug_day: F64, concentration_ug_ml: F64) -> None:
    """Refuse a flow that the pump cannot deliver."""
    flow = dose_ug_day / concentration_ug_ml
    _bound("flow", flow, index, (MIN_ML_DAY * (1 - TOLERANCE), MAX_ML_DAY), "mL/day")


def check_fill(fleet: Fleet, index: U32, refill: Fill) -> None:
    """Refuse a refill beyond the reservoir capacity, or of a concentration that is unknown or needs an invalid flow."""
    capacity_ml = fleet.reservoir_capacity_ml[index].astype(np.float64)
    for name, ml in (("volume entered", refill.entered_ml), ("volume filled", refill.actual_ml)):
        _bound(name, np.full(len(index), ml), index, (RESIDUAL_ML, capacity_ml), "mL")
    if refill.entered_ug_ml not in CONCENTRATIONS_UG_ML:
        known = ", ".join(f"{strength:g}" for strength in CONCENTRATIONS_UG_ML)
        raise TreatmentError(f"concentration entered is {refill.entered_ug_ml:g} µg/mL; baclofen comes as {known}")
    actual = np.full(len(index), refill.actual_ug_ml)
    _bound("concentration filled", actual, index, (0, MAX_ACTUAL_UG_ML), "µg/mL")
    check_flow(index, fleet.dose_ug_day[index].astype(np.float64), np.full(len(index), refill.entered_ug_ml))


def bolus(fleet: Fleet, index: U32, dose_ug: float, over_s: float, now_s: float) -> Extra:
    """Return a single bolus, or refuse one that is out of limits."""
    stopped = index[fleet.mode[index] == program.STOPPED]
    if len(stopped):
        raise TreatmentError(f"{serial(int(stopped[0]))} is stopped and gives no bolus; send a program first")
    _bound("bolus", np.full(len(index), dose_ug), index, (0, MAX_BOLUS_UG), "µg")
    if not BOLUS_S[0] <= over_s <= BOLUS_S[1]:
        raise TreatmentError(f"bolus takes {over_s:g} s; allowed is {BOLUS_S[0]:g} to {BOLUS_S[1]:g} s")
    ul_h = dose_ug / fleet.concentration_ug_ml[index].astype(np.float64) * 1000 / (over_s / 3600)
    _bound("flow of the bolus", ul_h * 24 / 1000, index, (0, MAX_ML_DAY), "mL/day")
    return extra(index, ul_h, now_s, np.full(len(index), over_s))


def bridge(fleet: Fleet, index: U32, new_ug_ml: float, now_s: float) -> Extra:
    """Return the bridge that keeps the dose correct while drug of the old concentration leaves the dead space.

    The old drug continues at its own rate until it is used up. No source for the arithmetic; modelling choice.
    """
    dose, old = (getattr(fleet, name)[index].astype(np.float64) for name in ("dose_ug_day", "concentration_ug_ml"))
    old_ul_h = program.rate_ul_h(dose, old)
    lasts_s = fleet.dead_space_ul[index] / old_ul_h * 3600
    return extra(index, old_ul_h - program.rate_ul_h(dose, np.full(len(index), new_ug_ml)), now_s, lasts_s)


def prime(fleet: Fleet, index: U32, now_s: float) -> Extra:
    """Return the priming bolus that pushes the old drug through the dead space: too much, then too little (recalls)."""
    return extra(
        index, fleet.dead_space_ul[index].astype(np.float64) / PRIME_H, now_s, np.full(len(index), PRIME_H * 3600)
    )


def fill(fleet: Fleet, index: U32, refill: Fill) -> None:
    """Empty and refill the reservoirs of these pumps; the pump records it with its next sample.

    The programmer sets the pump's clock. Faults of refills apply. Drug in the catheter stays there until the flow has
    moved it on. Volume beyond the reservoir capacity is drawn back.
    """
    arrived_ml = np.minimum(refill.actual_ml, fleet.reservoir_capacity_ml[index]) - RESIDUAL_ML
    fleet.reservoir_ml[index] = RESIDUAL_ML + np.maximum(arrived_ml, 0) * fleet.refill_share[index]
    fleet.programmed_ml[index] = np.minimum(refill.entered_ml, fleet.reservoir_capacity_ml[index])
    fleet.reports[index] |= np.uint8(FLAG_BIT["refill"])
    fleet.clock_s[index] = 0
    strength = np.float32(refill.actual_ug_ml) * fleet.refill_strength[index]
    new = fleet.reservoir_ug_ml[index] != strength
    fleet.reservoir_ug_ml[index] = strength
    fleet.front_ul[index[new]] = fleet.dead_space_ul[index[new]]
    changed = index[fleet.concentration_ug_ml[index] != np.float32(refill.entered_ug_ml)]
    fleet.concentration_ug_ml[changed] = refill.entered_ug_ml
    set_rate(fleet, changed)


def set_rate(fleet: Fleet, index: U32) -> None:
    """Write the program of these pumps from dose, concentration and mode, and count the change."""
    dose, concentration = fleet.dose_ug_day[index], fleet.concentration_ug_ml[index]
    rate = program.rate_ul_h(dose.astype(np.float64), concentration.astype(np.float64))
    mode = fleet.mode[index]
    rate = np.where(mode == program.RUNNING, rate, np.where(mode == program.MINIMUM, MINIMUM_UL_H, 0.0))
    fleet.rate_ul_h[index] = rate
    fleet.program[index] += np.uint16(1)
    fleet.session_s[index] = FRESH_S


def replace(fleet: Fleet, index: U32) -> None:
    """Replace these pumps by new ones: full, with a new battery and the same program."""
    fleet.reservoir_ml[index] = fleet.programmed_ml[index] = fleet.reservoir_capacity_ml[index]
    fleet.charge_mah[index] = fleet.capacity_mah[index]
    fleet.turned_ml[index] = 0
    fleet.revision[index] = COATED
    fleet.lot[index] = lots.LATEST
    fleet.stops_s[index] = fleet.now_s + SERVICE_LIFE_S
    fleet.reservoir_ug_ml[index] = fleet.concentration_ug_ml[index]
    fleet.stalled_s[index] = fleet.clock_s[index] = 0
    fleet.stroke_gain[index] = 1
    fleet.boots[index] += np.uint16(1)
    set_rate(fleet, index)


def report(fleet: Fleet) -> list[str]:
    """Return each pump's reply to its programmer: program, computed volume, battery and status flags."""
    volts = battery_v(fleet)
    reports = [
        ", ".join(flag.title.lower() for flag in FLAGS if bits & flag.bit) or "nothing to report"
        for bits in flags(fleet)
    ]
    return [
        f"{serial(int(fleet.index[n]))}: {text}, {fleet.concentration_ug_ml[n]:.0f} µg/mL, "
        f"{fleet.programmed_ml[n]:.1f} mL computed, {volts[n]:.2f} V; {reports[n]}"
        for n, text in enumerate(program_texts(fleet))
    ]


def _bound(name: str, values: F64, index: U32, bounds: tuple[float, F64 | float], unit: str) -> None:
    low, high = bounds
    wrong = np.flatnonzero(~((values >= low) & (values <= high)))
    if len(wrong):
        pump = wrong[0]
        highest = float(np.broadcast_to(high, values.shape)[pump])
        raise TreatmentError(
            f"{name} of {serial(int(index[pump]))} is {values[pump]:.4g} {unit}; allowed is {low:.3g} to {highest:,.6g}"
        )
