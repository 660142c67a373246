"""This file moves every pump's true state one interval on: rotor, catheter, reservoir, battery.

The pump's outlet is one node of pressure p. The rotor feeds it, the catheter drains it into the cerebrospinal fluid
(CSF), a leak at the connector, if there is one, into the tissue, and the tubing stretches a little:

    C dp/dt = Q (1 - (p - p_cal) / p_slip) - g_catheter (p - p_csf) - g_leak (p - p_tissue)

Q is what the rotor displaces at the pressure it was calibrated at. The more pressure it pushes against, the more
slips back between the rollers; at p_cal + p_slip nothing goes through. With its inputs held over the interval the
equation is linear and is solved exactly, so that the interval may be a second or a day.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.dose_limits import MINIMUM_UL_H, RESIDUAL_ML, SESSION_S
from broker.contract.signals import FLAG_BIT
from simulator.fleet.program import MINIMUM
from simulator.fleet.state import F32, U16, Fleet
from simulator.fleet.wear import LIFE_ML, WORN_MA

SLIP_MMHG: Final = 520.0
"""Pressure at which the rotor slips entirely. Not published for implanted pumps; modelling choice, the occlusion limit
of epidural lines, about 10 psi (ECRI 2015, translated copy)."""
CALIBRATED_MMHG: Final = 10.0
"""Pressure at which the rotor delivers what it is told; modelling choice, about that of the CSF."""
COMPLIANCE_UL_MMHG: Final = 12.5 / SLIP_MMHG
"""Tubing stretch. 12.5 µL is the volume typically missed until an insulin pump's occlusion alarm (maker's table,
converted); taken over as modelling choice."""
TISSUE_MMHG: Final = 2.0
"""Pressure in the pocket under the skin; modelling choice."""
LOW_RESERVOIR_ML: Final = 2.0
"""Recommended level of the low-reservoir alarm (residual volume study, Neurosurgery, August 2004)."""

CSF_DEVIATION_MMHG: Final = 0.35
CSF_MEMORY_S: Final = 4 * 3600.0
"""Slow wandering of a patient's CSF pressure around its mean; modelling choice. The means, 9 to 15 mmHg, lie within
lumbar pressures lying down, 5.7 to 16.8 mmHg (Norager 2021)."""
HEART_RAD_H: Final = 2 * np.pi * 1.2 * 3600
BREATH_RAD_H: Final = 2 * np.pi * 0.25 * 3600
"""72 heartbeats and 15 breaths a minute."""
BREATH_SHARE: Final = 0.2
"""Share of breathing in the power of the CSF's pulsatility, the rest is the heartbeat's; modelling choice."""

RUNNING_MA: Final = 2.9
LOADED_MA: Final = 6.0
STALLED_MA: Final = 12.0
DRIVING_ON_S: Final = 600.0
ELECTRONICS_MA: Final = 0.008
FULL_SPEED_UL_H: Final = 1000.0
"""Motor: current while it turns when new, what full slip pressure adds, current of a blocked rotor and how long the
pump tries before it gives up, the standing current, and the flow at which the motor would turn without pause. Modelling
choices; together, and with the mean wear, they give 7 years at 0.25 mL/day."""
STALLED_BELOW: Final = 0.05
"""The pump reports a stall when the rotor makes less than this share of the turn it is told."""
SAFE_ABOVE: Final = 0.5
SAFE_EFFORT: Final = 0.6
EASIER_MA: Final = 1.0
"""From which `safe_mode` on a pump is in it; the share of its current that the motor then draws, as it makes single
turns; and how much less current a tube takes that is not squeezed shut any more. Modelling choices."""
RESTART_S: Final = 30.0
"""For so long the clock of a pump stands while its electronics start anew, and is behind from then on; modelling
choice."""
ERI_DROP_V: Final = 0.35
"""Loss of voltage at which the pump asks for replacement; modelling choice."""
CAPACITY_MAH: Final = 2400.0
"""Battery charge that lasts 7 years (maker's replacement page) at 0.25 mL/day; modelling choice."""
ERI_MAH: Final = 84.0
"""Charge of 90 days at 0.25 mL/day: a pump works on for 90 days after it first asks for replacement (maker's page)."""
REPLACE_WITHIN_S: Final = 90 * 86_400.0
"""A pump ends its service this long after it first asks for replacement, or earlier (maker's replacement page)."""
LIFE_S: Final = 7 * 365.25 * 86_400.0
"""A pump stops for good seven years after it was implanted, whatever its battery holds (maker's replacement page)."""
BATTERY_OHM: Final = 30.0
"""Resistance of a healthy battery; modelling choice."""
WARMER_C: Final = 0.25
"""Body temperature's swing over a day; modelling choice."""


def advance(fleet: Fleet, factor: F32, shock: F32, *, dt_s: float, warmth_c: float) -> None:
    """Move the fleet on by `dt_s` seconds, in place.

    `factor` is each day profile's mean factor over the interval, `shock` one standard normal number a pump that
    moves its CSF pressure, `warmth_c` how much warmer than their mean bodies are. Afterwards flows are means over the
    interval; pressure, volumes, charge and temperature are those at its end.
    """
    fleet.temperature_c[:] = fleet.body_c + np.float32(warmth_c)
    fleet.temperature_c += fleet.fever_c
    _wander(fleet, shock, dt_s)
    fleet.commanded_ul_h[:] = fleet.rate_ul_h * factor[fleet.profile]
    _remember(fleet, dt_s)
    if fleet.corrupt.any():
        fleet.commanded_ul_h *= fleet.dose_error
    if fleet.mode.any():
        fleet.commanded_ul_h[fleet.mode == MINIMUM] = MINIMUM_UL_H
    fleet.commanded_ul_h += fleet.bolus_ul_h
    np.maximum(fleet.commanded_ul_h, 0, out=fleet.commanded_ul_h)
    powered = in_service(fleet)
    driven = fleet.commanded_ul_h * fleet.motor_drive
    _boot(fleet)
    if fleet.clock_drift_s_day.any():
        fleet.clock_s += fleet.clock_drift_s_day * np.float64(dt_s / 86_400)
    if fleet.safe.any():
        driven = np.where(fleet.safe > 0, np.minimum(driven, np.float32(MINIMUM_UL_H)), driven)
    fleet.motor_ul_h[:] = driven * fleet.rotor_grip * powered
    fleet.turned_ml += fleet.motor_ul_h * np.float64(dt_s / 3600 / 1000)
    _flow(fleet, dt_s / 3600)
    _drive(fleet, powered & (driven > 0), driven, dt_s)
    _absorb(fleet, dt_s / 3600)


def _wander(fleet: Fleet, shock: F32, dt_s: float) -> None:
    kept = float(np.exp(-dt_s / CSF_MEMORY_S))
    spread = CSF_DEVIATION_MMHG * float(np.sqrt(1 - kept**2))
    fleet.csf_mmhg[:] = fleet.csf_mean_mmhg + kept * (fleet.csf_mmhg - fleet.csf_mean_mmhg) + spread * shock


def _remember(fleet: Fleet, dt_s: float) -> None:
    """Count another program where the memory fails, and one more, now by a programmer, where that was set right."""
    if fleet.session_s.any():
        fleet.session_s[:] = np.where(fleet.session_s < 0, SESSION_S, np.maximum(fleet.session_s - dt_s, 0))
    wrong = fleet.dose_error != 1
    if wrong.any() or fleet.corrupt.any():
        fleet.program += wrong != fleet.corrupt
        fleet.session_s[~wrong & (fleet.corrupt > 0)] = SESSION_S
        fleet.corrupt[:] = wrong


def _boot(fleet: Fleet) -> None:
    """Count a reset where a pump falls back to its minimum rate; its clock steps, its program is another one then."""
    if fleet.safe_mode.any() or fleet.safe.any():
        safe = (fleet.safe_mode > SAFE_ABOVE).astype(np.uint8)
        fleet.boots += safe > fleet.safe
        fleet.program += safe != fleet.safe
        fleet.clock_s -= RESTART_S * (safe > fleet.safe)
        fleet.safe[:] = safe


def _flow(fleet: Fleet, dt_h: float) -> None:
    # Against no pressure at all the rotor displaces a little more than Q; the reservoir must not be overdrawn then.
    most = 1 + CALIBRATED_MMHG / SLIP_MMHG
    wanted = fleet.motor_ul_h * fleet.stroke_gain * fleet.stroke
    there = (1000 * (fleet.reservoir_ml - RESIDUAL_ML)).astype(np.float32)
    displaced = np.minimum(wanted, np.maximum(there, 0) / (most * dt_h))

    through = fleet.catheter_ul_h_mmhg / fleet.catheter_resistance
    outside = fleet.csf_mmhg + fleet.posture_mmhg + fleet.tip_shift_mmhg
    total = through + fleet.leak_ul_h_mmhg + displaced / SLIP_MMHG
    settled = (displaced * most + through * outside + fleet.leak_ul_h_mmhg * TISSUE_MMHG) / total
    turns = total * (dt_h / COMPLIANCE_UL_MMHG)
    gone = -np.expm1(-turns)
    off = fleet.pressure_mmhg - settled
    mean = settled + off * (gone / turns)

    taken = displaced * (1 - (mean - CALIBRATED_MMHG) / SLIP_MMHG)
    out = taken + off * gone * (COMPLIANCE_UL_MMHG / dt_h)
    fleet.pressure_mmhg -= off * gone
    fleet.leak_ul_h[:] = fleet.leak_ul_h_mmhg * (mean - TISSUE_MMHG)
    fleet.catheter_ul_h[:] = out - fleet.leak_ul_h
    fleet.reservoir_ml -= taken * np.float64(dt_h / 1000)
    fleet.programmed_ml -= fleet.commanded_ul_h * np.float64(dt_h / 1000)
    if fleet.reservoir_drain_ul_h.any():
        drained_ml = fleet.reservoir_drain_ul_h * np.float64(dt_h / 1000)
        fleet.reservoir_ml -= np.minimum(drained_ml, np.maximum(fleet.reservoir_ml - RESIDUAL_ML, 0))
        fleet.programmed_ml -= drained_ml
    np.maximum(fleet.programmed_ml, 0, out=fleet.programmed_ml)


def _absorb(fleet: Fleet, dt_h: float) -> None:
    """Follow what the patient has on board: one compartment, filled through the catheter's tip.

    A new concentration is a front that moves through the dead space with the flow, and only the latest front is kept.
    """
    moving = fleet.front_ul > 0
    if moving.any():
        fleet.front_ul -= moving * np.maximum(fleet.catheter_ul_h, 0) * np.float32(dt_h)
        arrived = moving & (fleet.front_ul <= 0)
        fleet.tip_ug_ml[arrived] = fleet.reservoir_ug_ml[arrived]
        fleet.front_ul[arrived] = 0
    into_ug_h = np.maximum(fleet.catheter_ul_h, 0) * fleet.tip_ug_ml * fleet.tip_coupling * np.float32(0.001)
    kept = np.exp(fleet.washout_per_h * np.float32(-dt_h))
    fleet.drug_ug[:] = fleet.drug_ug * kept + into_ug_h / fleet.washout_per_h * (1 - kept)


def _drive(fleet: Fleet, turning: npt.NDArray[np.bool_], driven: F32, dt_s: float) -> None:
    stalled = turning & (fleet.rotor_grip < STALLED_BELOW)
    fleet.stalled_s[:] = np.where(stalled, fleet.stalled_s + dt_s, 0)
    trying = stalled & (fleet.stalled_s <= DRIVING_ON_S)
    running = RUNNING_MA + LOADED_MA / SLIP_MMHG * (fleet.pressure_mmhg - CALIBRATED_MMHG)
    running += (fleet.turned_ml * (WORN_MA / LIFE_ML)).astype(np.float32)
    running -= EASIER_MA * np.maximum(1 - fleet.stroke, 0)
    effort = running + (1 - fleet.rotor_grip) * (STALLED_MA - running)
    if fleet.safe.any():
        effort *= np.where(fleet.safe > 0, np.float32(SAFE_EFFORT), np.float32(1))
    fleet.motor_ma[:] = np.where(stalled, trying * np.float32(STALLED_MA), turning * effort)
    fleet.motor_ma += fleet.short_ma * (fleet.charge_mah > 0)
    duty = np.where(trying, np.float32(1), driven / FULL_SPEED_UL_H)
    drain_ma = ELECTRONICS_MA + fleet.motor_ma * duty + fleet.self_discharge_ma
    fleet.charge_mah -= drain_ma * np.float64(dt_s / 3600)
    np.maximum(fleet.charge_mah, 0, out=fleet.charge_mah)
    asking = asks_for_replacement(fleet)
    if asking.any():
        fleet.stops_s[asking] = np.minimum(fleet.stops_s[asking], fleet.now_s + REPLACE_WITHIN_S)


def pulse_mmhg(fleet: Fleet) -> F32:
    """Return how much of each patient's CSF pulse arrives at the pump.

    Heartbeat and breathing reach the pump through the catheter; the tubing's stretch and a leak take them away. A
    narrow catheter and an open connector therefore both end them, a standing motor does not (Saulino 2017,
    Neuromodulation 20:187, for the sign as such). The stretch has more time to give way in a breath than in a
    heartbeat, so that a narrowing takes the heartbeat first. The pulse grows with the mean pressure.
    """
    through = fleet.catheter_ul_h_mmhg / fleet.catheter_resistance
    escape = through + fleet.leak_ul_h_mmhg
    escape *= escape
    passed = np.float32(1 - BREATH_SHARE) / (escape + np.float32((HEART_RAD_H * COMPLIANCE_UL_MMHG) ** 2))
    passed += np.float32(BREATH_SHARE) / (escape + np.float32((BREATH_RAD_H * COMPLIANCE_UL_MMHG) ** 2))
    coupling = through * np.sqrt(passed)
    return np.asarray(fleet.csf_pulse_mmhg * (fleet.csf_mmhg / fleet.csf_mean_mmhg) * coupling * fleet.tip_coupling)


def battery_v(fleet: Fleet) -> F32:
    """Return each battery's voltage under the motor's load: nearly flat, then a steep end (modelling choice)."""
    left = (fleet.charge_mah / CAPACITY_MAH).astype(np.float32)
    idle = 3.25 + 0.35 * left - 0.65 * np.exp(left / -0.06)
    return np.asarray(idle - fleet.cell_drop_v - fleet.motor_ma * fleet.battery_resistance * (BATTERY_OHM / 1000))


def asks_for_replacement(fleet: Fleet) -> npt.NDArray[np.bool_]:
    """Tell which pumps ask for replacement (ERI): the charge is nearly used up, or the voltage fell."""
    return np.asarray((fleet.charge_mah <= ERI_MAH) | (fleet.cell_drop_v > ERI_DROP_V))


def in_service(fleet: Fleet) -> npt.NDArray[np.bool_]:
    """Tell which pumps have not reached their end of service (EOS): by charge, and by the calendar as `now_s` says."""
    return np.asarray((fleet.charge_mah > 0) & (fleet.stops_s > fleet.now_s))


def flags(fleet: Fleet) -> U16:
    """Return what each pump reports of itself, as bits of `broker.contract.signals.FLAGS`.

    Low reservoir is computed from the programmed volume, as pumps do, and so is blind to a pump that delivers more.
    """
    return (
        fleet.reports
        | (fleet.stalled_s > 0) * np.uint8(FLAG_BIT["stalled"])
        | fleet.safe * np.uint8(FLAG_BIT["reset"])
        | (fleet.programmed_ml <= LOW_RESERVOIR_ML) * np.uint8(FLAG_BIT["low_reservoir"])
        | asks_for_replacement(fleet) * np.uint8(FLAG_BIT["eri"])
        | ~in_service(fleet) * np.uint8(FLAG_BIT["eos"])
        | (fleet.session_s > 0) * np.uint16(FLAG_BIT["programmed"])
    )


def warmth_c(time_of_day_s: float) -> float:
    """Return how much warmer than its mean a body is: most at six in the evening."""
    return WARMER_C * float(np.cos(2 * np.pi * (time_of_day_s / 86_400 - 0.75)))
