"""The fleet of arrays agrees with one pump in plain Python, written from the equations."""

from __future__ import annotations

from math import exp, expm1, hypot, pi, sqrt

import numpy as np
import pytest

from simulator.faults import FAULTS
from simulator.fleet import physics
from simulator.fleet.enrollment import enrol
from simulator.fleet.state import ARRAYS, CONDITIONS

DT_S = 60.0
OCCLUDED = range(60, 200)
APART = range(220, 240)
STALLED = range(300, 320)
WORN = range(330, 360)


def reference(pump, factor, shock, conditions):
    """Advance one pump, a dict of Python numbers, by `DT_S`."""
    resistance, leak, grip, stroke = conditions
    dt_h = DT_S / 3600
    pump["temperature_c"] = pump["body_c"] + 0.1
    kept = exp(-DT_S / 14_400)
    mean_csf = pump["csf_mean_mmhg"]
    pump["csf_mmhg"] = csf = mean_csf + kept * (pump["csf_mmhg"] - mean_csf) + 0.35 * sqrt(1 - kept**2) * shock
    commanded = pump["rate_ul_h"] * factor
    on = pump["charge_mah"] > 0
    rotor = commanded * grip if on else 0.0
    room_ul = max(0.0, 1000 * (pump["reservoir_ml"] - 1.4))
    shut = min(rotor * pump["stroke_gain"] * stroke, room_ul / (dt_h * (1 + 10 / 520)))
    through = pump["catheter_ul_h_mmhg"] / resistance
    total, compliance = through + leak + shut / 520, 12.5 / 520
    end = (shut * (1 + 10 / 520) + through * csf + leak * 2) / total
    fade = total * dt_h / compliance
    mean = end + (pump["pressure_mmhg"] - end) * -expm1(-fade) / fade
    pump["pressure_mmhg"] = p = end + (pump["pressure_mmhg"] - end) * exp(-fade)
    pump["catheter_ul_h"], pump["leak_ul_h"] = through * (mean - csf), leak * (mean - 2)
    pump["reservoir_ml"] -= shut * (1 - (mean - 10) / 520) * dt_h / 1000
    pump["programmed_ml"] = max(0.0, pump["programmed_ml"] - commanded * dt_h / 1000)
    stalled = on and grip < 0.05
    pump["stalled_s"] = pump["stalled_s"] + DT_S if stalled else 0.0
    trying = stalled and pump["stalled_s"] <= 600
    pump["turned_ml"] += rotor * dt_h / 1000
    run = 2.9 + 0.2 * pump["turned_ml"] / 640 + 6 * (p - 10) / 520 - max(0.0, 1 - stroke)
    run *= pump["current_gain"]
    pump["motor_ma"] = (12.0 if trying else 0.0) if stalled else (run + (1 - grip) * (12 - run) if on else 0.0)
    duty = 1.0 if trying else commanded / 1000
    pump["charge_mah"] = max(0.0, pump["charge_mah"] - (0.008 * pump["current_gain"] + pump["motor_ma"] * duty) * dt_h)
    pump["commanded_ul_h"], pump["motor_ul_h"] = commanded, rotor
    into = max(0.0, pump["catheter_ul_h"])
    if pump["front_ul"] > 0:
        pump["front_ul"] = max(0.0, pump["front_ul"] - into * dt_h)
        if pump["front_ul"] == 0:
            pump["tip_ug_ml"] = pump["reservoir_ug_ml"]
    stays = exp(-pump["washout_per_h"] * dt_h)
    into_ug = into * pump["tip_ug_ml"] / 1000 / pump["washout_per_h"]
    pump["drug_ug"] = pump["drug_ug"] * stays + into_ug * (1 - stays)
    beat, breath = (through / hypot(through + leak, 2 * pi * times * 60 * compliance) for times in (72, 15))
    pump["pulse_mmhg"] = pump["csf_pulse_mmhg"] * csf / mean_csf * sqrt(0.8 * beat**2 + 0.2 * breath**2)


def test_the_fleet_equals_a_scalar_pump_through_health_and_faults():
    fleet, rng = enrol(6, seed=3), np.random.default_rng(5)
    fleet.reservoir_ml[5] = 1.42
    fleet.reservoir_ug_ml[4], fleet.front_ul[4] = 4000, 10
    fleet.current_gain[[1, 3]] = 1.1, 0.9
    scalars = [{name: float(getattr(fleet, name)[i]) for name in ARRAYS} for i in range(6)]
    faulty = np.arange(3, dtype=np.uint32)
    for tick in range(400):
        severity = {
            "catheter_occlusion": 0.85 * (tick in OCCLUDED),
            "catheter_disconnection": 0.7 * (tick in APART),
            "motor_stall": 1.0 * (tick in STALLED),
            "under_infusion": 0.5 * (tick in WORN),
        }
        fleet.restore(faulty)
        for name, value in severity.items():
            bent = fleet[faulty]
            FAULTS[name].function(bent, np.full(3, value, np.float32))
            fleet.bend(faulty, bent)
        factor = fleet.profiles.mean_factor(tick * DT_S, DT_S)
        shock = rng.standard_normal(6, dtype=np.float32)
        physics.advance(fleet, factor, shock, dt_s=DT_S, warmth_c=0.1)
        pulse = physics.pulse_mmhg(fleet)
        for i, pump in enumerate(scalars):
            s = severity if i in faulty else dict.fromkeys(severity, 0.0)
            bent = (
                10 ** (7 * s["catheter_occlusion"]),
                1e5 * s["catheter_disconnection"] ** 3,
                1 - s["motor_stall"],
                1 - 0.6 * s["under_infusion"],
            )
            reference(pump, float(factor[fleet.profile[i]]), float(shock[i]), bent)
            # A small flow that is the difference of larger ones is accurate to 1e-5 of those.
            for name in set(ARRAYS) - set(CONDITIONS) - {"index", "stops_s", "settles_s", "clock_s"}:
                near = pytest.approx(pump[name], rel=1e-5, abs=2e-4 if name.endswith("_ul_h") else 1e-5)
                assert float(getattr(fleet, name)[i]) == near, (tick, i, name)
            assert float(pulse[i]) == pytest.approx(pump["pulse_mmhg"], rel=1e-5)
    assert scalars[4]["tip_ug_ml"] == 4000
    assert scalars[5]["reservoir_ml"] == pytest.approx(1.4, abs=1e-4)
