"""Pump physics: moves the true state of every pump on by one interval: rotor, catheter, reservoir, battery, drug.

The pump's outlet is one node of pressure p. The rotor feeds it, the catheter drains it into the cerebrospinal fluid
(CSF), a leak at the connector, if there is one, into the tissue, and the tubing stretches a little:

    C dp/dt = Q (1 - (p - p_cal) / p_slip) - g_catheter (p - p_csf) - g_leak (p - p_tissue)

Q is the flow that the rotor displaces at its calibration pressure. The higher the pressure it pushes against, the more
slips back between the rollers; at p_cal + p_slip nothing passes. With its inputs held constant over the interval the
equation is linear and is solved exactly, so the interval may be a second or a day. Values shared by all pumps of this
kind are in `broker.contract.datasheet`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from broker.contract.datasheet import (
    ELECTRONICS_MA,
    EOS_AFTER_ERI_D,
    FULL_SPEED_UL_H,
    LIFE_ML,
    RESIDUAL_ML,
    RUNNING_MA,
    SERVICE_LIFE_D,
    WORN_MA,
)
from broker.contract.dose_limits import MINIMUM_UL_H, SESSION_S
from simulator.fleet.program import MINIMUM
from simulator.fleet.state import F32, Fleet
from simulator.fleet.status import asks_for_replacement, in_service

SLIP_MMHG: Final = 520.0
"""Pressure at which the rotor slips entirely. Not published for implanted pumps; modelling choice, after the occlusion
limit of epidural lines, about 10 psi (ECRI 2015, translated copy)."""
CALIBRATED_MMHG: Final = 10.0
"""Pressure at which the rotor delivers exactly the commanded flow; modelling choice, about that of the CSF."""
COMPLIANCE_UL_MMHG: Final = 12.5 / SLIP_MMHG
"""Compliance of the tubing. 12.5 µL is the volume typically missed before an insulin pump's occlusion alarm (maker's
table, converted); adopted as a modelling choice."""
TISSUE_MMHG: Final = 2.0
"""Pressure in the pocket under the skin; modelling choice."""

CSF_DEVIATION_MMHG: Final = 0.35
CSF_MEMORY_S: Final = 4 * 3600.0
"""Slow variation of a patient's CSF pressure around its mean; modelling choice. The means, 9 to 15 mmHg, lie within the
range of lumbar pressure lying down, 5.7 to 16.8 mmHg (Norager 2021)."""
HEART_RAD_H: Final = 2 * np.pi * 1.2 * 3600
BREATH_RAD_H: Final = 2 * np.pi * 0.25 * 3600
"""72 heartbeats and 15 breaths a minute."""
BREATH_SHARE: Final = 0.2
"""Share of breathing in the power of the CSF pulsatility; the rest comes from the heartbeat. Modelling choice."""

LOADED_MA: Final = 6.0
STALLED_MA: Final = 12.0
DRIVING_ON_S: Final = 600.0
"""Motor: what full slip pressure adds to its current, current of a blocked rotor, and how long the pump drives a
blocked rotor before it gives up. Modelling choices."""
STALLED_BELOW: Final = 0.05
"""The pump reports a stall when the rotor makes less than this share of the commanded turn."""
SAFE_ABOVE: Final = 0.5
SAFE_EFFORT: Final = 0.6
EASIER_MA: Final = 1.0
"""Value of `safe_mode` above which a pump is in safe mode; share of its current that the motor then draws, because it
makes single turns; and current saved when the rollers no longer squeeze the tube shut. Modelling choices."""
RESTART_S: Final = 30.0
"""How long a pump's clock stands still while its electronics restart, and stays behind afterwards; modelling choice."""
EOS_AFTER_ERI_S: Final = EOS_AFTER_ERI_D * 86_400.0
SERVICE_LIFE_S: Final = SERVICE_LIFE_D * 86_400.0
WARMER_C: Final = 0.25
"""Amplitude of the body temperature over a day; modelling choice."""


def advance(fleet: Fleet, factor: F32, shock: F32, *, dt_s: float, warmth_c: float) -> None:
    """Advance the fleet by `dt_s` seconds, in place.

    `factor` is the mean factor of each day profile over the interval, `shock` one standard normal number per pump that
    moves its CSF pressure, and `warmth_c` the deviation of body temperature from its mean. Afterwards, flows are means
    over the interval; pressure, volumes, charge and temperature are values at its end.
    """
    fleet.temperature_c[:] = fleet.body_c + np.float32(warmth_c)
    fleet.temperature_c += fleet.fever_c
    _vary_csf(fleet, shock, dt_s)
    fleet.commanded_ul_h[:] = fleet.rate_ul_h * factor[fleet.profile]
    _check_memory(fleet, dt_s)
    if fleet.corrupt.any():
        fleet.commanded_ul_h *= fleet.dose_error
    if fleet.mode.any():
        fleet.commanded_ul_h[fleet.mode == MINIMUM] = MINIMUM_UL_H
    fleet.commanded_ul_h += fleet.bolus_ul_h
    np.maximum(fleet.commanded_ul_h, 0, out=fleet.commanded_ul_h)
    powered = in_service(fleet)
    driven = fleet.commanded_ul_h * fleet.motor_drive
    _check_reset(fleet)
    if fleet.clock_drift_s_day.any():
        fleet.clock_s += fleet.clock_drift_s_day * np.float64(dt_s / 86_400)
    if fleet.safe.any():
        driven = np.where(fleet.safe > 0, np.minimum(driven, np.float32(MINIMUM_UL_H)), driven)
    fleet.motor_ul_h[:] = driven * fleet.rotor_grip * powered
    fleet.turned_ml += fleet.motor_ul_h * np.float64(dt_s / 3600 / 1000)
    _flow(fleet, dt_s / 3600)
    _drive(fleet, powered & (driven > 0), driven, dt_s)
    _absorb(fleet, dt_s / 3600)


def _vary_csf(fleet: Fleet, shock: F32, dt_s: float) -> None:
    kept = float(np.exp(-dt_s / CSF_MEMORY_S))
    spread = CSF_DEVIATION_MMHG * float(np.sqrt(1 - kept**2))
    fleet.csf_mmhg[:] = fleet.csf_mean_mmhg + kept * (fleet.csf_mmhg - fleet.csf_mean_mmhg) + spread * shock


def _check_memory(fleet: Fleet, dt_s: float) -> None:
    """Count a new program when a memory fails, and another one when a programmer corrects it."""
    if fleet.session_s.any():
        fleet.session_s[:] = np.where(fleet.session_s < 0, SESSION_S, np.maximum(fleet.session_s - dt_s, 0))
    wrong = fleet.dose_error != 1
    if wrong.any() or fleet.corrupt.any():
        fleet.program += wrong != fleet.corrupt
        fleet.session_s[~wrong & (fleet.corrupt > 0)] = SESSION_S
        fleet.corrupt[:] = wrong


def _check_reset(fleet: Fleet) -> None:
    """Count a reset when a pump falls back to its minimum rate: its clock steps back and its program changes."""
    if fleet.safe_mode.any() or fleet.safe.any():
        safe = (fleet.safe_mode > SAFE_ABOVE).astype(np.uint8)
        fleet.boots += safe > fleet.safe
        fleet.program += safe != fleet.safe
        fleet.clock_s -= RESTART_S * (safe > fleet.safe)
        fleet.safe[:] = safe


def _flow(fleet: Fleet, dt_h: float) -> None:
    # Against zero pressure the rotor displaces a little more than Q, which must not overdraw the reservoir.
    zero_pressure_gain = 1 + CALIBRATED_MMHG / SLIP_MMHG
    wanted = fleet.motor_ul_h * fleet.stroke_gain * fleet.stroke
    available = (1000 * (fleet.reservoir_ml - RESIDUAL_ML)).astype(np.float32)
    displaced = np.minimum(wanted, np.maximum(available, 0) / (zero_pressure_gain * dt_h))

    through = fleet.catheter_ul_h_mmhg / fleet.catheter_resistance
    outside = fleet.csf_mmhg + fleet.posture_mmhg + fleet.tip_shift_mmhg
    total = through + fleet.leak_ul_h_mmhg + displaced / SLIP_MMHG
    settled = (displaced * zero_pressure_gain + through * outside + fleet.leak_ul_h_mmhg * TISSUE_MMHG) / total
    time_constants = total * (dt_h / COMPLIANCE_UL_MMHG)
    decayed = -np.expm1(-time_constants)
    offset = fleet.pressure_mmhg - settled
    mean = settled + offset * (decayed / time_constants)

    taken = displaced * (1 - (mean - CALIBRATED_MMHG) / SLIP_MMHG)
    out = taken + offset * decayed * (COMPLIANCE_UL_MMHG / dt_h)
    fleet.pressure_mmhg -= offset * decayed
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
    """Update the drug in the patient: one compartment, filled through the tip of the catheter.

    A new concentration is a front that moves through the dead space with the flow; only the latest front is kept.
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
    running *= fleet.current_gain
    effort = running + (1 - fleet.rotor_grip) * (STALLED_MA - running)
    if fleet.safe.any():
        effort *= np.where(fleet.safe > 0, np.float32(SAFE_EFFORT), np.float32(1))
    fleet.motor_ma[:] = np.where(stalled, trying * np.float32(STALLED_MA), turning * effort)
    fleet.motor_ma += fleet.short_ma * (fleet.charge_mah > 0)
    duty = np.where(trying, np.float32(1), driven / FULL_SPEED_UL_H)
    drain_ma = ELECTRONICS_MA * fleet.current_gain + fleet.motor_ma * duty + fleet.self_discharge_ma
    fleet.charge_mah -= drain_ma * np.float64(dt_s / 3600)
    np.maximum(fleet.charge_mah, 0, out=fleet.charge_mah)
    asking = asks_for_replacement(fleet)
    if asking.any():
        fleet.stops_s[asking] = np.minimum(fleet.stops_s[asking], fleet.now_s + EOS_AFTER_ERI_S)


def pulse_mmhg(fleet: Fleet) -> F32:
    """Return the part of each patient's CSF pulse that arrives at the pump.

    Heartbeat and breathing reach the pump through the catheter; compliant tubing and a leak attenuate them. A narrow
    catheter and an open connector therefore both remove the pulse, a stopped motor does not (Saulino 2017,
    Neuromodulation 20:187, for the sign as such). The faster heartbeat is attenuated more than breathing, so a
    narrowing removes the heartbeat first. The pulse grows with the mean pressure.
    """
    through = fleet.catheter_ul_h_mmhg / fleet.catheter_resistance
    escape = through + fleet.leak_ul_h_mmhg
    escape *= escape
    passed = np.float32(1 - BREATH_SHARE) / (escape + np.float32((HEART_RAD_H * COMPLIANCE_UL_MMHG) ** 2))
    passed += np.float32(BREATH_SHARE) / (escape + np.float32((BREATH_RAD_H * COMPLIANCE_UL_MMHG) ** 2))
    coupling = through * np.sqrt(passed)
    return np.asarray(fleet.csf_pulse_mmhg * (fleet.csf_mmhg / fleet.csf_mean_mmhg) * coupling * fleet.tip_coupling)


def warmth_c(time_of_day_s: float) -> float:
    """Return the deviation of body temperature from its mean, which is highest at 18:00."""
    return WARMER_C * float(np.cos(2 * np.pi * (time_of_day_s / 86_400 - 0.75)))
