"""Enrollment of a simulated fleet: its patients, their prescriptions, and the age of each pump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from broker.contract.datasheet import (
    CAPACITY_MAH,
    ELECTRONICS_MA,
    FULL_SPEED_UL_H,
    LOW_RESERVOIR_ML,
    RESERVOIR_CAPACITIES_ML,
    TURNING_MA,
)
from broker.contract.dose_limits import CONCENTRATIONS_UG_ML, MIN_ML_DAY
from simulator.fleet import lots, program
from simulator.fleet.physics import SERVICE_LIFE_S
from simulator.fleet.state import CONDITIONS, F64, Fleet
from simulator.fleet.wear import COATED, UNCOATED

SITES: Final = ("North", "South", "East", "West", "Centre")
MAX_USUAL_ML_DAY: Final = 0.4
"""Flow of a common high dose, 800 µg/day at 2000 µg/mL."""
MIN_DAYS_LEFT: Final = 30.0
"""Days before the first enrolled pump reaches `LOW_RESERVOIR_ML`; modelling choice."""
MAX_USED: Final = (0.6, 0.9)
"""Largest share of its battery's charge, and of its service life, that an enrolled pump has used; modelling choice."""
LUMEN_RADIUS_MM: Final = 0.265
VISCOSITY_PA_S: Final = 0.7e-3
"""Lumen radius of a thin intrathecal catheter, and water at 37 °C; modelling choices."""
CATHETER_UL_CM: Final = 2.2
PUMP_TUBING_UL: Final = 200.0
"""Dead space of a catheter and of the tubing inside the pump; no source found, modelling choices."""
FIRST_PUMP: Final = 0.5
"""Share of pumps that are their patient's first, so the therapy is as old as the pump; modelling choice."""
START_SHARE: Final = 83 / 270
GROWTH_S: Final = 365.25 * 86_400.0
"""The mean dose grew from 83 to 270 µg/day over the first twelve months and was stable afterwards (pubmed 22151522).
Exponential growth is a modelling choice."""
HALF_LIFE_H: Final = (1.0, 5.0)
"""Range of the half-life of baclofen in the spinal fluid between patients (Sallerin-Caute 1991 and J Neurosurg
1987;66:181: 0.9 to 5 h)."""
PA_PER_MMHG: Final = 133.322
UL_H_PER_M3_S: Final = 1e9 * 3600


@dataclass(frozen=True)
class Group:
    """A group of patients: its share of the fleet, its range of daily doses, and its share of small reservoirs."""

    name: str
    share: float
    min_ug_day: float
    max_ug_day: float
    small_reservoir: float


GROUPS: Final = (
    Group("cerebral palsy, child", 0.25, 100.0, 300.0, 0.8),
    Group("cerebral palsy, adult", 0.20, 90.0, 700.0, 0.4),
    Group("multiple sclerosis, adult", 0.20, 300.0, 800.0, 0.3),
    Group("spinal cord injury, adult", 0.20, 300.0, 800.0, 0.3),
    Group("brain injury, adult", 0.15, 90.0, 700.0, 0.4),
)
"""Usual maintenance doses by cause of the spasticity (Lioresal label; CHEO page for children).

The shares of groups and of small reservoirs are modelling choices.
"""


def enrol(count: int, seed: int, now_s: float = 0.0) -> Fleet:
    """Return `count` healthy pumps of patients in the middle of their therapy at `now_s`, in s since 1970.

    Every quantity has its own random stream, so pump 7 is the same in a fleet of ten and of a million. Initial levels
    are drawn so that no pump needs attention within `MIN_DAYS_LEFT` days.
    """
    draw = _Draw(seed, count)
    group = np.searchsorted(np.cumsum([each.share for each in GROUPS])[:-1], draw.uniform(0, 1), side="right")
    settled = np.round(draw.uniform(_of(group, "min_ug_day"), _of(group, "max_ug_day")))
    capacity_ml = np.where(draw.uniform(0, 1) < _of(group, "small_reservoir"), *RESERVOIR_CAPACITIES_ML)
    strength, level = draw.uniform(0, 1), draw.uniform(0, 1)
    profiles = program.drawn(draw.stream())
    scheduled = draw.uniform(0, 1) < 0.5
    profile = np.where(scheduled, np.floor(draw.uniform(1, len(profiles.factor))), 0)
    csf = draw.uniform(9.0, 15.0)
    f32 = np.float32
    length_cm = draw.uniform(80.0, 114.0)
    gain, pulse = np.clip(draw.normal(1.0, 0.015), 0.95, 1.05), draw.uniform(1.5, 3.5)
    body = draw.uniform(36.6, 37.3)
    drain_ma = _drain_ma(settled, _concentration(settled, settled, strength))
    oldest_s = np.minimum(MAX_USED[0] * CAPACITY_MAH / drain_ma * 3600, MAX_USED[1] * SERVICE_LIFE_S)
    age_s = oldest_s * draw.uniform(0, 1)
    washout = np.log(2) / draw.uniform(*HALF_LIFE_H)
    first, lot = draw.uniform(0, 1) < FIRST_PUMP, lots.drawn(count, seed)
    settles_s = now_s - age_s + np.where(first, GROWTH_S, 0)
    dose = np.round(course_ug_day(settled, settles_s, now_s))
    concentration = _concentration(dose, settled, strength)
    rate = program.rate_ul_h(dose, concentration)
    min_ml = LOW_RESERVOIR_ML + MIN_DAYS_LEFT * dose / concentration
    reservoir = min_ml + (capacity_ml - min_ml) * level
    flows = ("commanded_ul_h", "motor_ul_h", "catheter_ul_h", "leak_ul_h")
    unbent: dict[str, Any] = {
        **{name: np.zeros(count, f32) for name in flows},
        **{name: np.full(count, usual, np.uint8 if name == "reports" else f32) for name, usual in CONDITIONS.items()},
    }
    return Fleet(
        profiles,
        index=np.arange(count, dtype=np.uint32),
        group=group.astype(np.uint8),
        reservoir_capacity_ml=capacity_ml.astype(f32),
        concentration_ug_ml=concentration.astype(f32),
        dose_ug_day=dose.astype(f32),
        settled_ug_day=settled.astype(f32),
        settles_s=settles_s,
        profile=profile.astype(np.uint16),
        rate_ul_h=rate.astype(f32),
        mode=np.full(count, program.RUNNING, dtype=np.uint8),
        program=np.ones(count, dtype=np.uint16),
        catheter_ul_h_mmhg=conductance_ul_h_mmhg(length_cm).astype(f32),
        dead_space_ul=(PUMP_TUBING_UL + CATHETER_UL_CM * length_cm).astype(f32),
        washout_per_h=washout.astype(f32),
        stroke_gain=gain.astype(f32),
        capacity_mah=np.full(count, CAPACITY_MAH),
        current_gain=np.ones(count, f32),
        csf_mean_mmhg=csf.astype(f32),
        csf_pulse_mmhg=pulse.astype(f32),
        body_c=body.astype(f32),
        revision=np.where(lot < lots.UNCOATED_LOTS, UNCOATED, COATED).astype(np.uint8),
        lot=lot,
        csf_mmhg=csf.astype(f32),
        pressure_mmhg=csf.astype(f32),
        reservoir_ml=reservoir,
        programmed_ml=reservoir.copy(),
        charge_mah=CAPACITY_MAH - _drain_ma(dose, concentration) * age_s / 3600,
        turned_ml=rate * age_s / 3_600_000,
        clock_s=np.zeros(count),
        stops_s=now_s + SERVICE_LIFE_S - age_s,
        stalled_s=np.zeros(count, f32),
        safe=np.zeros(count, np.uint8),
        corrupt=np.zeros(count, np.uint8),
        session_s=np.zeros(count, f32),
        boots=np.zeros(count, np.uint16),
        reservoir_ug_ml=concentration.astype(f32),
        tip_ug_ml=concentration.astype(f32),
        front_ul=np.zeros(count, f32),
        drug_ug=(dose / 24 / washout).astype(f32),
        motor_ma=np.zeros(count, f32),
        temperature_c=np.zeros(count, f32),
        **unbent,
        now_s=now_s,
    )


def course_ug_day(settled_ug_day: F64, settles_s: F64, now_s: float) -> F64:
    """Return the appropriate doses of patients at `now_s`, which grow until `settles_s`."""
    return np.asarray(settled_ug_day * START_SHARE ** (np.maximum(settles_s - now_s, 0) / GROWTH_S))


def conductance_ul_h_mmhg(length_cm: F64) -> F64:
    """Return the flow through an open catheter per unit of pressure across it, by Poiseuille's law."""
    radius_m = LUMEN_RADIUS_MM / 1000
    per_pa = np.pi * radius_m**4 / (8 * VISCOSITY_PA_S * length_cm / 100)
    return np.asarray(per_pa * PA_PER_MMHG * UL_H_PER_M3_S)


def serial(index: int) -> str:
    """Return the serial number of the pump with that index."""
    return f"ITB-{index:06d}"


def site(index: int, count: int) -> str:
    """Return the site that cares for that pump in a fleet of `count`: neighboring indices share a site."""
    return SITES[index * len(SITES) // count]


def program_texts(fleet: Fleet) -> list[str]:
    """Return the prescription of each pump as text, such as "410 µg/day, 4 steps"."""
    shapes = ["continuous" if count == 1 else f"{count} steps" for count in fleet.profiles.steps]
    texts = [f"{dose:.0f} µg/day, {shapes[row]}" for dose, row in zip(fleet.dose_ug_day, fleet.profile, strict=True)]
    for index in np.flatnonzero(fleet.mode != program.RUNNING):
        texts[index] = "minimum rate" if fleet.mode[index] == program.MINIMUM else "stopped"
    return texts


def prescribed_ug_day(fleet: Fleet) -> list[float | None]:
    """Return each pump's prescribed dose in µg per day; None for a pump that is stopped or runs at its minimum rate."""
    running = (fleet.mode == program.RUNNING).tolist()
    return [dose if runs else None for dose, runs in zip(fleet.dose_ug_day.tolist(), running, strict=True)]


def _of(group: npt.NDArray[np.intp], name: str) -> F64:
    return np.asarray(np.array([getattr(each, name) for each in GROUPS], dtype=np.float64)[group])


def _drain_ma(dose_ug_day: F64, concentration_ug_ml: F64) -> F64:
    """Return the mean current of pumps over their life."""
    turning = program.rate_ul_h(dose_ug_day, concentration_ug_ml) / FULL_SPEED_UL_H
    return np.asarray(ELECTRONICS_MA + TURNING_MA * turning)


def _concentration(min_ug_day: F64, max_ug_day: F64, share: F64) -> F64:
    """Choose among the concentrations that give a usual flow for all doses of the range."""
    strengths = np.array(CONCENTRATIONS_UG_ML)
    usual = (min_ug_day[:, None] / strengths >= MIN_ML_DAY) & (max_ug_day[:, None] / strengths <= MAX_USUAL_ML_DAY)
    rank = np.floor(share * usual.sum(axis=1))[:, None]
    place = np.argmax(usual & (np.cumsum(usual, axis=1) == rank + 1), axis=1)
    return np.asarray(strengths[place])


class _Draw:
    """Random columns of a new fleet, each from its own stream."""

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count, self._column = seed, count, 0

    def stream(self) -> np.random.Generator:
        self._column += 1
        return np.random.Generator(np.random.SFC64((self._seed, 0, self._column)))

    def uniform(self, low: F64 | float, high: F64 | float) -> F64:
        return low + (high - low) * self.stream().random(self._count)

    def normal(self, mean: float, deviation: float) -> F64:
        return mean + deviation * self.stream().standard_normal(self._count)
