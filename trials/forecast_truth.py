"""Truth of the forecasts: the future of a copy of the simulated fleet, and pumps that deviate from their datasheet."""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.datasheet import EOS_AFTER_ERI_D, ERI_MAH, LOW_RESERVOIR_ML, RESIDUAL_ML
from processor.view.forecast_dose import OVER_DOSED, UNDER_DOSED
from simulator.fleet import physics, status
from simulator.fleet.state import ARRAYS, Fleet
from simulator.playback.event_kinds import EVENTS, UPRIGHT_MMHG
from simulator.playback.simulation import THURSDAY_S, WEEK_S, Simulation

F64 = npt.NDArray[np.float64]

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
YEAR_S: Final = 365.25 * DAY_S
DOSE_STEP_S: Final = 300.0
DOSE_AHEAD_H: Final = 24.0
"""Doses are followed for a day; what comes later is covered by the forecast of the reservoir."""
BATTERY_STEP_S: Final = 7 * DAY_S
BATTERY_STEPS: Final = 370
FULL_ML: Final = 1e6
DEVIATION_STREAM: Final = 2000
"""Random stream of the deviations from the datasheet."""


class Reference:
    """Drug that every patient would have on board if the program were delivered in full."""

    def __init__(self, fleet: Fleet) -> None:
        self.drug_ug = fleet.drug_ug.astype(np.float64)

    def follow(self, fleet: Fleet, dt_h: float) -> None:
        """Advance by an interval in which the commanded flow of the fleet is delivered."""
        kept = np.exp(-fleet.washout_per_h * dt_h)
        into = fleet.commanded_ul_h * fleet.concentration_ug_ml * 0.001 / fleet.washout_per_h
        self.drug_ug = self.drug_ug * kept + into * (1 - kept)


def deviate(simulation: Simulation, error: float) -> F64:
    """Let every pump deviate from its datasheet by `error`, and return each pump's residual volume.

    Battery capacity, current and residual volume of each pump are larger or smaller by that share, each at random. The
    charge is what is left of that capacity after that current since implantation.
    """
    fleet = simulation.fleet
    rng = np.random.default_rng((simulation.scenario.seed, DEVIATION_STREAM))
    capacity, current, residual = 1 + error * rng.choice((-1.0, 1.0), (3, len(fleet)))
    used_mah = fleet.capacity_mah - fleet.charge_mah
    fleet.capacity_mah *= capacity
    fleet.current_gain *= current.astype(np.float32)
    fleet.charge_mah[:] = fleet.capacity_mah - used_mah * current
    return np.asarray(RESIDUAL_ML * residual)


def doses(simulation: Simulation, reference: Reference) -> dict[str, F64]:
    """Return the hours until the effect leaves its limits: 0 if it has, infinite if it does not within a day."""
    fleet, ahead = _copy(simulation), copy.copy(reference)
    reached = {"under_dosed_h": np.full(len(fleet), np.inf), "over_dosed_h": np.full(len(fleet), np.inf)}
    for step in range(round(DOSE_AHEAD_H * HOUR_S / DOSE_STEP_S) + 1):
        if step:
            _go_on(fleet, simulation.time_ms, (step - 1) * DOSE_STEP_S, DOSE_STEP_S)
            ahead.follow(fleet, DOSE_STEP_S / HOUR_S)
        effect = fleet.drug_ug / np.maximum(ahead.drug_ug, 1e-9)
        for name, there in (("under_dosed_h", effect < UNDER_DOSED), ("over_dosed_h", effect > OVER_DOSED)):
            reached[name][there & np.isinf(reached[name])] = step * DOSE_STEP_S / HOUR_S
    return reached


def levels(simulation: Simulation, residual_ml: F64 | float = RESIDUAL_ML) -> dict[str, F64]:
    """Return the days until the reservoir is low and empty: whole weeks, then hours within one.

    A pump is empty at its own `residual_ml`; the level of "low" is a setting, the same for all pumps.
    """
    fleet = _copy(simulation)
    fleet.reservoir_ml[:] = FULL_ML
    used = np.zeros((round(WEEK_S / HOUR_S) + 1, len(fleet)))
    for step in range(1, len(used)):
        _go_on(fleet, simulation.time_ms, (step - 1) * HOUR_S, HOUR_S)
        used[step] = FULL_ML - fleet.reservoir_ml
    hours = np.arange(len(used))
    days = {}
    for name, floor_ml in (("low_d", LOW_RESERVOIR_ML), ("empty_d", residual_ml)):
        left = np.maximum(simulation.fleet.reservoir_ml - floor_ml, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            weeks = np.floor(left / used[-1])
        flows = np.isfinite(weeks)
        rest = left - np.where(flows, weeks, 0) * used[-1]
        within = np.array([np.interp(rest[pump], used[:, pump], hours) for pump in range(len(fleet))])
        days[name] = np.where(flows, weeks * 7 + within / 24, np.inf)
    return days


def batteries(simulation: Simulation) -> dict[str, F64]:
    """Return the days until the battery asks for replacement and until the pump ends its service."""
    fleet = _copy(simulation)
    fleet.reservoir_ml[:] = FULL_ML
    began_s = simulation.time_ms / 1000
    fleet.now_s = began_s
    asked = np.where(status.asks_for_replacement(fleet), 0.0, np.inf)
    ended = np.where(status.in_service(fleet), np.inf, 0.0)
    by_life = (simulation.fleet.stops_s - began_s) / DAY_S
    for step in range(BATTERY_STEPS):
        charge, days = fleet.charge_mah.copy(), step * BATTERY_STEP_S / DAY_S
        _go_on(fleet, simulation.time_ms, step * BATTERY_STEP_S, BATTERY_STEP_S)
        a_day = np.maximum((charge - fleet.charge_mah) * DAY_S / BATTERY_STEP_S, 1e-9)
        asks = status.asks_for_replacement(fleet) & np.isinf(asked)
        asked[asks] = (days + np.maximum(charge - ERI_MAH, 0) / a_day)[asks]
        by_charge = np.where(fleet.charge_mah <= 0, days + charge / a_day, np.inf)
        by_calendar = np.where(np.isfinite(asked), asked + EOS_AFTER_ERI_D, np.inf)
        ended = np.minimum(ended, np.minimum(by_charge, np.minimum(by_calendar, by_life)))
    asked[asked > by_life] = np.inf
    return {"eri_d": asked, "eos_d": np.maximum(ended, 0)}


def _copy(simulation: Simulation) -> Fleet:
    fleet = simulation.fleet
    twin = Fleet(fleet.profiles, **{name: getattr(fleet, name).copy() for name in ARRAYS}, now_s=fleet.now_s)
    for passing in (twin.bolus_ul_h, twin.fever_c):
        passing[:] = 0
    sits = EVENTS["posture"]
    twin.posture_mmhg[:] = simulation.scenario.random.event_factor * UPRIGHT_MMHG * sits.a_year * sits.hold_s / YEAR_S
    return twin


def _go_on(fleet: Fleet, from_ms: int, after_s: float, dt_s: float) -> None:
    now_s = from_ms / 1000 + after_s
    fleet.now_s = now_s
    factor = fleet.profiles.mean_factor((now_s + THURSDAY_S) % WEEK_S, dt_s)
    physics.advance(fleet, factor, np.zeros(len(fleet), np.float32), dt_s=dt_s, warmth_c=0.0)
