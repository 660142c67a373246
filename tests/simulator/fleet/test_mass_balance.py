"""Mass balance: every volume that leaves the reservoir leaves the pump."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.datasheet import RESIDUAL_ML
from broker.contract.signals import FLAG_BIT
from simulator.fleet import physics
from simulator.fleet.enrollment import enrol
from simulator.fleet.physics import COMPLIANCE_UL_MMHG
from simulator.fleet.sensors import SENSORS
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

INTERVAL_S = 600.0
TICKS = 30 * 144


@pytest.fixture(scope="module")
def month():
    """Thirty therapy days of twenty pumps, three with a catheter fault: samples, and true state before and after."""
    simulation = Simulation(default(pumps=20, interval_s=INTERVAL_S), start_ms=1_767_225_600_000)
    simulation.inject("catheter_occlusion", np.array([3, 4]), severity=0.9, ramp_s=86_400, hold_s=864_000)
    simulation.inject("catheter_disconnection", np.array([5]), severity=1)
    fleet, out_ul, frames = simulation.fleet, np.zeros(20), []
    start = fleet[np.arange(20, dtype=np.uint32)]
    for _ in range(TICKS):
        frames.append(simulation.tick())
        out_ul += (fleet.catheter_ul_h + fleet.leak_ul_h).astype(np.float64) * INTERVAL_S / 3600
    return pl.concat(frames), start, fleet, out_ul


def test_over_a_month_reservoir_loss_equals_outflow_to_the_microliter(month):
    _, start, end, out_ul = month
    stretched_ul = COMPLIANCE_UL_MMHG * (end.pressure_mmhg - start.pressure_mmhg)
    lost_ul = 1000 * (start.reservoir_ml - end.reservoir_ml)
    assert lost_ul.min() > 1000
    assert lost_ul == pytest.approx(out_ul + stretched_ul, abs=1.0)


def test_over_a_month_measured_flow_and_measured_volume_agree_within_sensor_errors(month):
    samples, *_ = month
    reservoir = next(sensor for sensor in SENSORS if sensor.signal == "reservoir_ml")
    by_pump = samples.group_by("index", maintain_order=True).agg(
        (pl.col("flow_ul_h").slice(1).sum() * INTERVAL_S / 3600 / 1000).alias("flowed"),
        (pl.col("reservoir_ml").first() - pl.col("reservoir_ml").last()).alias("lost"),
    )
    allowed_ml = 5 * np.sqrt(2) * reservoir.noise + reservoir.resolution
    assert by_pump["flowed"].to_numpy() == pytest.approx(by_pump["lost"].to_numpy(), abs=allowed_ml)


def test_one_interval_gives_the_same_volume_as_many_shorter_ones():
    once, often = enrol(50, seed=9), enrol(50, seed=9)
    still = np.zeros(50, np.float32)
    for fleet, count in ((once, 1), (often, 60)):
        fleet.catheter_resistance[:] = 1e6
        for tick in range(count):
            dt_s = 3600 / count
            factor = fleet.profiles.mean_factor(tick * dt_s, dt_s)
            physics.advance(fleet, factor, still, dt_s=dt_s, warmth_c=0)
    constant = once.profile == 0
    assert once.pressure_mmhg[constant] == pytest.approx(often.pressure_mmhg[constant], rel=1e-4)
    assert once.reservoir_ml[constant] == pytest.approx(often.reservoir_ml[constant], abs=1e-6)


def test_a_pump_runs_dry_at_the_residual_volume_and_not_below():
    simulation = Simulation(default(pumps=2), start_ms=0)
    simulation.fleet.reservoir_ml[0] = RESIDUAL_ML + 0.002
    frames = pl.concat([simulation.tick() for _ in range(120)]).filter(pl.col("index") == 0)
    assert simulation.fleet.reservoir_ml[0] == pytest.approx(RESIDUAL_ML, abs=1e-6)
    assert simulation.fleet.reservoir_ml[0] >= RESIDUAL_ML - 1e-9
    assert frames["flow_ul_h"].tail(30).mean() == pytest.approx(0, abs=0.05)
    assert frames["motor_ul_h"].equals(frames["commanded_ul_h"])


def test_low_reservoir_is_computed_from_the_program_and_not_from_the_true_volume():
    simulation = Simulation(default(pumps=2), start_ms=0)
    simulation.fleet.programmed_ml[0] = 2.0
    simulation.fleet.reservoir_ml[1] = 1.9
    assert simulation.tick()["flags"].to_list() == [FLAG_BIT["low_reservoir"], 0]
