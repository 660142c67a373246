"""Signature of each fault, on a pump compared with the same pump without the fault."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import decode, encode_arrow
from broker.contract.signals import FLAG_BIT
from simulator.fleet.physics import SLIP_MMHG, TISSUE_MMHG

HOURS = 60


def test_an_occlusion_raises_pressure_and_stops_pulsatility_while_the_motor_turns_as_commanded(play):
    healthy, faulty = play(minutes=6 * HOURS), play("catheter_occlusion", 1.0, minutes=6 * HOURS)
    assert faulty.last(1, "pressure_mmhg") > 20 * healthy.last(1, "pressure_mmhg")
    assert faulty.last(1, "pulse_mmhg") < 0.1 * healthy.last(1, "pulse_mmhg")
    assert faulty.last(1, "flow_ul_h") < 0.1 * healthy.last(1, "flow_ul_h")
    assert faulty.last(1, "motor_ma") > 1.5 * healthy.last(1, "motor_ma")
    assert faulty.of(1)["motor_ul_h"].equals(faulty.of(1)["commanded_ul_h"])


def test_the_pressure_of_an_occlusion_levels_off_when_the_rotor_slips_and_the_reservoir_stops_declining(play):
    faulty = play("catheter_occlusion", 1.0, minutes=24 * HOURS)
    pressure, volume = faulty.of(1)["pressure_mmhg"], faulty.of(1)["reservoir_ml"]
    assert pressure.tail(60).mean() == pytest.approx(SLIP_MMHG, rel=0.05)
    assert pressure.max() < SLIP_MMHG + 15
    assert volume[720:780].mean() == pytest.approx(volume.tail(60).mean(), abs=0.02)


def test_a_partial_occlusion_reduces_pulsatility_long_before_it_raises_pressure(play):
    healthy, faulty = play(minutes=HOURS), play("catheter_occlusion", 0.2, minutes=HOURS)
    assert faulty.last(1, "pulse_mmhg") < 0.5 * healthy.last(1, "pulse_mmhg")
    assert faulty.last(1, "pressure_mmhg") == pytest.approx(healthy.last(1, "pressure_mmhg"), abs=0.5)


def test_a_disconnection_lowers_pressure_to_that_of_the_tissue_and_stops_pulsatility_but_all_volumes_balance(play):
    healthy, faulty = play(minutes=6 * HOURS), play("catheter_disconnection", 1.0, minutes=6 * HOURS)
    assert faulty.last(1, "pressure_mmhg") == pytest.approx(TISSUE_MMHG, abs=0.5)
    assert faulty.last(1, "pulse_mmhg") < 0.1 * healthy.last(1, "pulse_mmhg")
    assert faulty.last(1, "motor_ma") < healthy.last(1, "motor_ma")
    assert faulty.last(1, "flow_ul_h") >= healthy.last(1, "flow_ul_h")
    assert faulty.last(1, "flow_ul_h") == pytest.approx(healthy.last(1, "flow_ul_h"), rel=0.03)
    assert faulty.last(1, "reservoir_ml") == pytest.approx(healthy.last(1, "reservoir_ml"), abs=0.01)
    assert faulty.of(1)["motor_ul_h"].equals(faulty.of(1)["commanded_ul_h"])


def test_a_stall_stops_all_flow_and_is_reported_while_pulsatility_is_preserved(play):
    healthy, faulty = play(minutes=2 * HOURS), play("motor_stall", 1.0, minutes=2 * HOURS)
    assert faulty.of(1)["motor_ul_h"].max() == 0
    assert faulty.last(1, "flow_ul_h") == pytest.approx(0, abs=0.1)
    assert faulty.of(1)["reservoir_ml"].head(20).mean() == pytest.approx(faulty.last(1, "reservoir_ml", 20), abs=0.02)
    assert faulty.of(1)["flags"].unique().to_list() == [FLAG_BIT["stalled"]]
    assert faulty.last(1, "pulse_mmhg") == pytest.approx(healthy.last(1, "pulse_mmhg"), rel=0.02)
    assert faulty.last(1, "pressure_mmhg") == pytest.approx(healthy.last(1, "pressure_mmhg"), abs=0.2)


def test_a_stalled_motor_draws_a_high_current_until_the_pump_gives_up(play):
    current = play("motor_stall", 1.0, minutes=60).of(1)["motor_ma"]
    assert current.head(10).min() > 10
    assert current.slice(10).max() < 0.2


def test_a_rotor_that_turns_a_little_is_slow_and_not_reported_as_stalled(play):
    faulty = play("motor_stall", 0.5)
    assert faulty.last(1, "motor_ul_h") == pytest.approx(faulty.last(1, "commanded_ul_h") / 2, abs=0.01)
    assert faulty.of(1)["flags"].max() == 0


def test_a_drained_battery_sags_then_indicates_replacement_then_ends_the_pumps_service(play):
    healthy, faulty = play(minutes=7 * HOURS), play("battery_depletion", 1.0, minutes=7 * HOURS)
    flags, volts = faulty.of(1)["flags"], faulty.of(1)["battery_v"]
    assert healthy.of(1)["battery_v"][0] - volts[0] > 0.2
    assert volts[-1] < 2.7
    eri, eos = ((flags & FLAG_BIT[name]) > 0 for name in ("eri", "eos"))
    assert 5 < eri.sum() - eos.sum() < 20
    running, ended = faulty.of(1).filter(~eos), faulty.of(1).filter(eos).slice(1)
    assert running["flow_ul_h"].mean() == pytest.approx(running["commanded_ul_h"].mean(), rel=0.05)
    assert ended["flow_ul_h"].mean() == pytest.approx(0, abs=0.1)
    assert ended["motor_ul_h"].max() == 0
    assert ended["commanded_ul_h"].min() > 0
    assert (flags & FLAG_BIT["stalled"]).max() == 0


def test_a_full_battery_is_empty_after_six_hours_of_depletion(play):
    simulation = play(minutes=1).simulation
    simulation.fleet.charge_mah[:] = 2400
    simulation.inject("battery_depletion", [1], severity=1)
    for _ in range(350):
        simulation.tick()
    assert simulation.fleet.charge_mah[1] > 0
    for _ in range(10):
        simulation.tick()
    assert simulation.fleet.charge_mah[1] == 0


def test_a_stuck_sensor_repeats_its_reading_and_every_other_signal_is_normal(play):
    healthy, faulty = play(minutes=2), play(minutes=2).simulation
    faulty.inject("sensor_stuck", [1], severity=1)
    frames = [faulty.tick() for _ in range(30)]
    assert {frame["flow_ul_h"][1] for frame in frames} == {healthy.of(1)["flow_ul_h"][-1]}
    expected = play(minutes=32).samples.drop("flow_ul_h").tail(4)
    assert frames[-1].drop("flow_ul_h").equals(expected)


def test_the_samples_of_a_silent_pump_are_missing_but_numbered(play):
    silent = play("silent_pump", 1.0, hold_s=600)
    assert silent.of(1)["seq"].to_list() == list(range(11, 31))
    some = play("silent_pump", 0.5, minutes=200).of(1)["seq"]
    assert 70 < len(some) < 130


def assert_same_mean(faulty, healthy, *signals, pump=1, rel=0.03, abs_=0.06):
    """Assert that these signals of a pump have the same mean as without the fault."""
    for name in signals:
        mean, expected = faulty.of(pump)[name].mean(), healthy.of(pump)[name].mean()
        assert mean == pytest.approx(expected, rel=rel, abs=abs_), name


def reported(faulty, name, pump=1):
    return (faulty.of(pump)["flags"] & FLAG_BIT[name]) > 0


def test_a_kink_spikes_pressure_and_interrupts_pulsatility_at_the_same_times_each_day(play):
    faulty = play("catheter_kink", 0.8, minutes=48 * HOURS, interval_s=300)
    one = faulty.of(1)
    kinked = one["pulse_mmhg"] < 0.5
    assert 0.15 < kinked.mean() < 0.45
    assert one["pressure_mmhg"].filter(kinked).max() > 3 * one["pressure_mmhg"].filter(~kinked).median()
    assert one["flow_ul_h"].filter(kinked).mean() < 0.8 * one["flow_ul_h"].filter(~kinked).mean()
    assert kinked.head(288).to_list() == kinked.tail(288).to_list()
    assert one["motor_ul_h"].equals(one["commanded_ul_h"])


def test_a_tip_mass_reduces_pulsatility_over_days_and_then_raises_pressure_and_current(play):
    faulty = play("catheter_tip_mass", 1.0, minutes=7 * 24 * HOURS, interval_s=1800)
    one = faulty.of(1)
    pulse, pressure, current = (
        one[name].to_numpy().reshape(7, 48).mean(axis=1) for name in ("pulse_mmhg", "pressure_mmhg", "motor_ma")
    )
    assert pulse[0] > 1.5 * pulse[1] > 2 * pulse[2]
    assert pressure[1] < 1.3 * pressure[0] < pressure[6]
    assert current[6] > 1.2 * current[0]
    assert one["motor_ul_h"].equals(one["commanded_ul_h"])


def test_a_leak_lowers_pressure_and_pulsatility_and_makes_them_vary_while_all_volumes_balance(play):
    healthy, faulty = (
        play(minutes=24 * HOURS, interval_s=300),
        play("catheter_leak", minutes=24 * HOURS, interval_s=300),
    )
    assert faulty.of(1)["pressure_mmhg"].mean() < healthy.of(1)["pressure_mmhg"].mean() - 2
    assert faulty.of(1)["pressure_mmhg"].std() > 3 * healthy.of(1)["pressure_mmhg"].std()
    assert faulty.of(1)["pulse_mmhg"].mean() < 0.7 * healthy.of(1)["pulse_mmhg"].mean()
    assert faulty.of(1)["pulse_mmhg"].std() > 3 * healthy.of(1)["pulse_mmhg"].std()
    assert_same_mean(faulty, healthy, "flow_ul_h", "reservoir_ml", "motor_ma", "battery_v", "motor_ul_h")


def test_a_migrated_tip_shifts_pressure_and_reduces_pulsatility_while_everything_else_is_normal(play):
    healthy, faulty = (
        play(minutes=2 * HOURS, pumps=20),
        play("catheter_migration", on=range(20), pumps=20, minutes=2 * HOURS),
    )
    shifts = [faulty.last(pump, "pressure_mmhg") - healthy.last(pump, "pressure_mmhg") for pump in range(20)]
    assert min(shifts) < -2
    assert max(shifts) > 2
    ratios = [faulty.last(pump, "pulse_mmhg") / healthy.last(pump, "pulse_mmhg") for pump in range(20)]
    assert 0 < min(ratios) < 0.4 < max(ratios) < 0.8
    assert_same_mean(faulty, healthy, "flow_ul_h", "reservoir_ml", "motor_ma", "battery_v", "motor_ul_h")


def test_an_intermittent_stall_interrupts_the_flow_with_high_current(play):
    healthy, faulty = play(minutes=12 * HOURS), play("intermittent_stall", minutes=12 * HOURS)
    stalled = reported(faulty, "stalled")
    assert 0.3 < stalled.mean() < 0.7
    assert (stalled != stalled.shift(1)).sum() > 10
    assert faulty.of(1)["motor_ul_h"].filter(stalled).max() == 0
    assert faulty.of(1)["flow_ul_h"].filter(stalled).mean() < 0.3 * healthy.of(1)["flow_ul_h"].mean()
    assert faulty.of(1)["motor_ma"].filter(stalled).mean() > 2 * healthy.of(1)["motor_ma"].mean()
    assert_same_mean(faulty, healthy, "pulse_mmhg")


def test_an_mri_stall_lasts_up_to_a_day_after_the_scan_and_readings_are_noisy_in_the_field(play):
    healthy, faulty = play(minutes=26 * HOURS), play("mri_stall", minutes=26 * HOURS)
    one, scan = faulty.of(1), reported(faulty, "mri")
    assert one["seq"].to_list() == [1, 2, 3, 4, 5, *range(61, 26 * HOURS + 1)]
    assert scan.to_list() == [True] * 5 + [False] * (25 * HOURS)
    stopped = one["motor_ul_h"] == 0
    assert stopped.sum() == 5 + 24 * HOURS
    assert not stopped.tail(HOURS).any()
    assert one["motor_ma"].filter(stopped).max() < 0.2
    assert one["pressure_mmhg"].filter(scan).std() > 5 * healthy.of(1)["pressure_mmhg"].std()
    assert one["pulse_mmhg"].filter(stopped & ~scan).mean() == pytest.approx(
        healthy.of(1)["pulse_mmhg"].mean(), rel=0.05
    )
    assert not reported(faulty, "stalled").any()


def test_a_pump_trapped_in_telemetry_mode_is_online_without_a_stall_and_delivers_nothing(play):
    healthy, faulty = play(minutes=3 * HOURS), play("telemetry_mode", minutes=3 * HOURS)
    assert faulty.of(1)["motor_ul_h"].max() == 0
    assert faulty.last(1, "flow_ul_h") == pytest.approx(0, abs=0.1)
    assert faulty.of(1)["motor_ma"].max() < 0.2
    assert faulty.of(1)["flags"].unique().to_list() == [FLAG_BIT["telemetry_mode"]]
    assert_same_mean(faulty, healthy, "pulse_mmhg", "pressure_mmhg", abs_=0.3)
    assert faulty.of(1).height == healthy.of(1).height


def test_over_infusion_empties_the_reservoir_below_the_computed_volume_and_the_pump_reports_nothing(play):
    healthy, faulty = (
        play(minutes=24 * HOURS, interval_s=300),
        play("over_infusion", 0.3, minutes=24 * HOURS, interval_s=300),
    )
    assert faulty.of(1)["flow_ul_h"].mean() == pytest.approx(1.3 * healthy.of(1)["flow_ul_h"].mean(), rel=0.02)
    assert_same_mean(faulty, healthy, "motor_ul_h", "pulse_mmhg", "motor_ma", "battery_v")
    fleet = faulty.simulation.fleet
    assert fleet.reservoir_ml[1] < fleet.programmed_ml[1] - 0.01
    assert faulty.of(1)["flags"].max() == 0


def test_a_worn_tube_delivers_less_than_commanded_and_leaves_more_in_the_reservoir_than_computed(play):
    healthy, faulty = (
        play(minutes=24 * HOURS, interval_s=300),
        play("under_infusion", minutes=24 * HOURS, interval_s=300),
    )
    assert faulty.of(1)["flow_ul_h"].mean() == pytest.approx(0.4 * healthy.of(1)["flow_ul_h"].mean(), rel=0.03)
    assert_same_mean(faulty, healthy, "motor_ul_h", "pulse_mmhg", "battery_v")
    assert faulty.last(1, "motor_ma") < 0.9 * healthy.last(1, "motor_ma")
    assert faulty.simulation.fleet.reservoir_ml[1] > faulty.simulation.fleet.programmed_ml[1] + 0.01


def test_a_reset_pump_runs_at_its_minimum_rate_and_counts_a_boot_and_a_program(play):
    healthy, faulty = play(minutes=3 * HOURS), play("electrical_reset", minutes=3 * HOURS)
    assert faulty.of(1)["motor_ul_h"].max() == 0.25
    assert faulty.last(1, "flow_ul_h") == pytest.approx(0.25, abs=0.1)
    assert faulty.last(1, "motor_ma") < healthy.last(1, "motor_ma")
    assert reported(faulty, "reset").all()
    assert (faulty.of(1)["boot"] - healthy.of(1)["boot"]).unique().to_list() == [1]
    assert (faulty.of(1)["program"] - healthy.of(1)["program"]).unique().to_list() == [1]
    assert (faulty.of(1)["time"] - healthy.of(1)["time"]).unique().to_list() == [-30_000]
    assert faulty.of(1)["seq"].equals(healthy.of(1)["seq"])
    assert_same_mean(faulty, healthy, "pulse_mmhg", "battery_v", "pressure_mmhg", abs_=0.1)


def test_a_feedthrough_short_mixes_stalls_and_resets_with_an_erratic_current_and_a_step_in_battery_voltage(play):
    healthy, faulty = play(minutes=6 * HOURS), play("feedthrough_short", minutes=6 * HOURS)
    stalled, reset = reported(faulty, "stalled"), reported(faulty, "reset")
    assert 0.2 < stalled.mean() < 0.8
    assert (stalled ^ reset).all()
    assert faulty.of(1)["motor_ma"].std() > 20 * healthy.of(1)["motor_ma"].std()
    assert faulty.of(1)["battery_v"].max() < healthy.of(1)["battery_v"].min() - 0.15
    assert faulty.of(1)["flow_ul_h"].tail(300).max() < 0.6
    assert_same_mean(faulty, healthy, "pulse_mmhg")


@pytest.mark.parametrize(("fault", "rise"), [("pocket_fill", 0.0), ("wrong_refill_volume", 0.5)])
def test_a_faulty_refill_is_recorded_but_the_reservoir_does_not_rise_as_entered(play, fault, rise):
    healthy, faulty = play(refill_at=10), play(fault, refill_at=10)
    assert reported(faulty, "refill").sum() == reported(healthy, "refill").sum() == 1
    assert healthy.last(1, "reservoir_ml") == pytest.approx(18, abs=0.05)
    assert faulty.last(1, "reservoir_ml") == pytest.approx(1.4 + rise * 16.6, abs=0.05)
    assert faulty.simulation.fleet.programmed_ml[1] == pytest.approx(18, abs=0.01)
    assert faulty.of(1).head(10).equals(healthy.of(1).head(10))


def test_a_wrong_concentration_changes_no_signal_and_reaches_the_patient_after_the_dead_space(play):
    options = {"minutes": 4 * 24 * HOURS, "interval_s": 600, "refill_at": 10}
    healthy, faulty = play(**options), play("wrong_concentration", **options)
    assert faulty.samples.equals(healthy.samples)
    arrival = play("wrong_concentration", minutes=60, refill_at=10).simulation.fleet
    assert arrival.tip_ug_ml[1] != arrival.reservoir_ug_ml[1]
    actual, intended = faulty.simulation.fleet, healthy.simulation.fleet
    assert actual.tip_ug_ml[1] == 4 * intended.tip_ug_ml[1]
    assert actual.drug_ug[1] == pytest.approx(4 * intended.drug_ug[1], rel=0.02)
    hours = arrival.dead_space_ul[1] / intended.rate_ul_h[1]
    assert 10 < hours < 200


def test_a_pump_that_runs_empty_falls_to_the_residual_volume_and_only_then_stops_flowing(play):
    faulty = play("running_empty", minutes=10 * HOURS)
    volume, flow = faulty.of(1)["reservoir_ml"], faulty.of(1)["flow_ul_h"]
    assert volume.tail(30).mean() == pytest.approx(1.4, abs=0.02)
    assert flow.tail(30).mean() == pytest.approx(0, abs=0.1)
    assert flow.filter(volume > 1.5).mean() == pytest.approx(faulty.of(1)["commanded_ul_h"].mean(), rel=0.05)
    assert reported(faulty, "low_reservoir").tail(1).item()
    assert faulty.of(1)["motor_ul_h"].equals(faulty.of(1)["commanded_ul_h"])
    assert faulty.last(1, "pulse_mmhg") == pytest.approx(play(minutes=10 * HOURS).last(1, "pulse_mmhg"), rel=0.05)


def test_a_battery_drop_is_a_step_without_a_trend_and_a_large_one_resets_the_pump(play):
    healthy, small, large = play(), play("battery_drop", 0.5), play("battery_drop", 1.0)
    step = healthy.of(1)["battery_v"] - small.of(1)["battery_v"]
    assert step.to_list() == pytest.approx([0.45] * 30, abs=0.011)
    assert reported(small, "eri").all()
    assert_same_mean(small, healthy, "motor_ul_h", "flow_ul_h")
    assert reported(large, "reset").all()
    assert large.of(1)["motor_ul_h"].max() == 0.25


@pytest.mark.parametrize(
    ("fault", "channel"),
    [
        ("sensor_bias", "flow_ul_h"),
        ("sensor_noise", "flow_ul_h"),
        ("sensor_unit_slip", "flow_ul_h"),
        ("sensor_drift", "reservoir_ml"),
    ],
)
def test_a_faulty_sensor_changes_a_single_channel(play, fault, channel):
    healthy, faulty = play(minutes=6 * HOURS), play(fault, minutes=6 * HOURS)
    assert faulty.samples.drop(channel).equals(healthy.samples.drop(channel))
    error = (faulty.of(1)[channel] - healthy.of(1)[channel]).to_numpy()
    if fault == "sensor_bias":
        assert error == pytest.approx(np.full(len(error), 5), abs=0.01)
    elif fault == "sensor_noise":
        assert (error.std(), error.mean()) == pytest.approx((5, 0), abs=1)
    elif fault == "sensor_unit_slip":
        assert faulty.of(1)[channel].to_numpy() == pytest.approx(24 * healthy.of(1)[channel].to_numpy(), rel=1e-3)
    else:
        assert error == pytest.approx(-0.1 * np.arange(1, len(error) + 1) / 60, abs=0.002)


def test_late_samples_arrive_in_bursts_in_order_and_complete(play):
    faulty = play("link_late", minutes=12 * HOURS)
    arrived = faulty.samples.with_row_index("arrival").filter(pl.col("index") == 1)
    assert arrived["seq"].to_list() == list(range(1, arrived.height + 1))
    assert arrived.height > 500
    gaps = arrived["arrival"].diff().drop_nulls()
    assert (gaps == 1).sum() > 400
    assert (arrived["time"].diff().drop_nulls() == 60_000).all()
    assert faulty.samples.filter(pl.col("index") != 1).equals(
        play(minutes=12 * HOURS).samples.filter(pl.col("index") != 1)
    )


def test_duplicated_samples_are_identical(play):
    faulty, healthy = play("link_duplicated").of(1), play().of(1)
    assert faulty["seq"].to_list() == sorted([*range(1, 31)] * 2)
    assert faulty.unique(maintain_order=True).equals(healthy)


def test_reordered_samples_arrive_out_of_order_and_none_is_lost(play):
    faulty = play("link_reordered", 0.5, minutes=60, hold_s=1800)
    numbers = faulty.of(1)["seq"]
    assert numbers.to_list() != sorted(numbers)
    assert numbers.sort().to_list() == list(range(1, 61))
    assert faulty.of(1).sort("seq").equals(play(minutes=60).of(1))


def test_corrupted_samples_are_rejected_with_a_reason_and_the_rest_is_decoded(play):
    faulty = play("link_corrupted", 0.3, minutes=100)
    decoded = decode(encode_arrow(faulty.samples.drop("index")))
    assert 10 < 400 - decoded.samples.height < 60
    assert "pressure_mmhg is 163" in decoded.rejected[0]


def test_a_skewed_clock_is_ahead_by_a_constant_and_every_reading_is_correct(play):
    healthy, faulty = play(), play("clock_skew", 0.5)
    assert (faulty.of(1)["time"] - healthy.of(1)["time"]).unique().to_list() == [1_800_000]
    assert faulty.samples.drop("time").equals(healthy.samples.drop("time"))
