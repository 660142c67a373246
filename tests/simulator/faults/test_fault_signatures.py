"""Each fault shows as the table of signatures says, on a pump that is compared with its healthy self."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import decode, encode_arrow
from broker.contract.signals import FLAG_BIT
from simulator.fleet.physics import SLIP_MMHG, TISSUE_MMHG

HOURS = 60


def test_an_occlusion_raises_pressure_and_takes_the_pulse_while_the_motor_turns_as_told(play):
    well, ill = play(minutes=6 * HOURS), play("catheter_occlusion", 1.0, minutes=6 * HOURS)
    assert ill.last(1, "pressure_mmhg") > 20 * well.last(1, "pressure_mmhg")
    assert ill.last(1, "pulse_mmhg") < 0.1 * well.last(1, "pulse_mmhg")
    assert ill.last(1, "flow_ul_h") < 0.1 * well.last(1, "flow_ul_h")
    assert ill.last(1, "motor_ma") > 1.5 * well.last(1, "motor_ma")
    assert ill.of(1)["motor_ul_h"].equals(ill.of(1)["commanded_ul_h"])


def test_an_occlusions_pressure_levels_off_where_the_rotor_slips_and_the_reservoir_stops_falling(play):
    ill = play("catheter_occlusion", 1.0, minutes=24 * HOURS)
    pressure, volume = ill.of(1)["pressure_mmhg"], ill.of(1)["reservoir_ml"]
    assert pressure.tail(60).mean() == pytest.approx(SLIP_MMHG, rel=0.05)
    assert pressure.max() < SLIP_MMHG + 15
    assert volume[720:780].mean() == pytest.approx(volume.tail(60).mean(), abs=0.02)


def test_a_narrowing_takes_the_pulse_long_before_it_raises_pressure(play):
    well, ill = play(minutes=HOURS), play("catheter_occlusion", 0.2, minutes=HOURS)
    assert ill.last(1, "pulse_mmhg") < 0.5 * well.last(1, "pulse_mmhg")
    assert ill.last(1, "pressure_mmhg") == pytest.approx(well.last(1, "pressure_mmhg"), abs=0.5)


def test_a_disconnection_lowers_pressure_to_the_tissue_and_takes_the_pulse_but_all_volumes_balance(play):
    well, ill = play(minutes=6 * HOURS), play("catheter_disconnection", 1.0, minutes=6 * HOURS)
    assert ill.last(1, "pressure_mmhg") == pytest.approx(TISSUE_MMHG, abs=0.5)
    assert ill.last(1, "pulse_mmhg") < 0.1 * well.last(1, "pulse_mmhg")
    assert ill.last(1, "motor_ma") < well.last(1, "motor_ma")
    assert ill.last(1, "flow_ul_h") >= well.last(1, "flow_ul_h")
    assert ill.last(1, "flow_ul_h") == pytest.approx(well.last(1, "flow_ul_h"), rel=0.03)
    assert ill.last(1, "reservoir_ml") == pytest.approx(well.last(1, "reservoir_ml"), abs=0.01)
    assert ill.of(1)["motor_ul_h"].equals(ill.of(1)["commanded_ul_h"])


def test_a_stall_stops_all_flow_and_is_reported_while_the_pulse_is_kept(play):
    well, ill = play(minutes=2 * HOURS), play("motor_stall", 1.0, minutes=2 * HOURS)
    assert ill.of(1)["motor_ul_h"].max() == 0
    assert ill.last(1, "flow_ul_h") == pytest.approx(0, abs=0.1)
    assert ill.of(1)["reservoir_ml"].head(20).mean() == pytest.approx(ill.last(1, "reservoir_ml", 20), abs=0.02)
    assert ill.of(1)["flags"].unique().to_list() == [FLAG_BIT["stalled"]]
    assert ill.last(1, "pulse_mmhg") == pytest.approx(well.last(1, "pulse_mmhg"), rel=0.02)
    assert ill.last(1, "pressure_mmhg") == pytest.approx(well.last(1, "pressure_mmhg"), abs=0.2)


def test_a_stalled_motor_draws_much_until_the_pump_gives_up(play):
    current = play("motor_stall", 1.0, minutes=60).of(1)["motor_ma"]
    assert current.head(10).min() > 10
    assert current.slice(10).max() < 0.2


def test_a_rotor_that_turns_a_little_is_slow_and_not_reported_as_stalled(play):
    ill = play("motor_stall", 0.5)
    assert ill.last(1, "motor_ul_h") == pytest.approx(ill.last(1, "commanded_ul_h") / 2, abs=0.01)
    assert ill.of(1)["flags"].max() == 0


def test_a_drained_battery_sags_asks_for_replacement_and_ends_the_pumps_service(play):
    well, ill = play(minutes=7 * HOURS), play("battery_depletion", 1.0, minutes=7 * HOURS)
    flags, volts = ill.of(1)["flags"], ill.of(1)["battery_v"]
    assert well.of(1)["battery_v"][0] - volts[0] > 0.2
    assert volts[-1] < 2.7
    eri, eos = ((flags & FLAG_BIT[name]) > 0 for name in ("eri", "eos"))
    assert 5 < eri.sum() - eos.sum() < 20
    running, ended = ill.of(1).filter(~eos), ill.of(1).filter(eos).slice(1)
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


def test_a_stuck_sensor_repeats_its_reading_and_all_else_is_as_in_a_healthy_pump(play):
    well, ill = play(minutes=2), play(minutes=2).simulation
    ill.inject("sensor_stuck", [1], severity=1)
    frames = [ill.tick() for _ in range(30)]
    assert {frame["flow_ul_h"][1] for frame in frames} == {well.of(1)["flow_ul_h"][-1]}
    healthy = play(minutes=32).samples.drop("flow_ul_h").tail(4)
    assert frames[-1].drop("flow_ul_h").equals(healthy)


def test_a_silent_pumps_samples_are_missing_but_counted(play):
    silent = play("silent_pump", 1.0, hold_s=600)
    assert silent.of(1)["seq"].to_list() == list(range(11, 31))
    some = play("silent_pump", 0.5, minutes=200).of(1)["seq"]
    assert 70 < len(some) < 130


def alike(ill, well, *signals, pump=1, rel=0.03, abs_=0.06):
    """These signals of a pump have the mean they would have without the fault."""
    for name in signals:
        mean, healthy = ill.of(pump)[name].mean(), well.of(pump)[name].mean()
        assert mean == pytest.approx(healthy, rel=rel, abs=abs_), name


def reported(ill, name, pump=1):
    return (ill.of(pump)["flags"] & FLAG_BIT[name]) > 0


def test_a_kink_follows_the_posture_spikes_pressure_and_blinks_the_pulse_at_the_same_times_each_day(play):
    ill = play("catheter_kink", 0.8, minutes=48 * HOURS, interval_s=300)
    one = ill.of(1)
    kinked = one["pulse_mmhg"] < 0.5
    assert 0.15 < kinked.mean() < 0.45
    assert one["pressure_mmhg"].filter(kinked).max() > 3 * one["pressure_mmhg"].filter(~kinked).median()
    assert one["flow_ul_h"].filter(kinked).mean() < 0.8 * one["flow_ul_h"].filter(~kinked).mean()
    assert kinked.head(288).to_list() == kinked.tail(288).to_list()
    assert one["motor_ul_h"].equals(one["commanded_ul_h"])


def test_a_tip_mass_shrinks_the_pulse_over_days_and_then_raises_pressure_and_current(play):
    ill = play("catheter_tip_mass", 1.0, minutes=7 * 24 * HOURS, interval_s=1800)
    one = ill.of(1)
    pulse, pressure, current = (
        one[name].to_numpy().reshape(7, 48).mean(axis=1) for name in ("pulse_mmhg", "pressure_mmhg", "motor_ma")
    )
    assert pulse[0] > 1.5 * pulse[1] > 2 * pulse[2]
    assert pressure[1] < 1.3 * pressure[0] < pressure[6]
    assert current[6] > 1.2 * current[0]
    assert one["motor_ul_h"].equals(one["commanded_ul_h"])


def test_a_leak_lowers_pressure_and_pulse_and_lets_them_vary_while_all_volumes_balance(play):
    well, ill = play(minutes=24 * HOURS, interval_s=300), play("catheter_leak", minutes=24 * HOURS, interval_s=300)
    assert ill.of(1)["pressure_mmhg"].mean() < well.of(1)["pressure_mmhg"].mean() - 2
    assert ill.of(1)["pressure_mmhg"].std() > 3 * well.of(1)["pressure_mmhg"].std()
    assert ill.of(1)["pulse_mmhg"].mean() < 0.7 * well.of(1)["pulse_mmhg"].mean()
    assert ill.of(1)["pulse_mmhg"].std() > 3 * well.of(1)["pulse_mmhg"].std()
    alike(ill, well, "flow_ul_h", "reservoir_ml", "motor_ma", "battery_v", "motor_ul_h")


def test_a_migrated_tip_shifts_pressure_and_weakens_the_pulse_while_all_else_is_normal(play):
    well, ill = play(minutes=2 * HOURS, pumps=20), play("catheter_migration", on=range(20), pumps=20, minutes=2 * HOURS)
    shifts = [ill.last(pump, "pressure_mmhg") - well.last(pump, "pressure_mmhg") for pump in range(20)]
    assert min(shifts) < -2
    assert max(shifts) > 2
    kept = [ill.last(pump, "pulse_mmhg") / well.last(pump, "pulse_mmhg") for pump in range(20)]
    assert 0 < min(kept) < 0.4 < max(kept) < 0.8
    alike(ill, well, "flow_ul_h", "reservoir_ml", "motor_ma", "battery_v", "motor_ul_h")


def test_an_intermittent_stall_gives_bursts_of_no_flow_with_high_current_and_steps_in_the_reservoir(play):
    well, ill = play(minutes=12 * HOURS), play("intermittent_stall", minutes=12 * HOURS)
    stalled = reported(ill, "stalled")
    assert 0.3 < stalled.mean() < 0.7
    assert (stalled != stalled.shift(1)).sum() > 10
    assert ill.of(1)["motor_ul_h"].filter(stalled).max() == 0
    assert ill.of(1)["flow_ul_h"].filter(stalled).mean() < 0.3 * well.of(1)["flow_ul_h"].mean()
    assert ill.of(1)["motor_ma"].filter(stalled).mean() > 2 * well.of(1)["motor_ma"].mean()
    alike(ill, well, "pulse_mmhg")


def test_an_mri_stops_the_motor_for_the_scan_and_a_tail_of_up_to_a_day_and_is_noisy_in_the_field(play):
    well, ill = play(minutes=26 * HOURS), play("mri_stall", minutes=26 * HOURS)
    one, scan = ill.of(1), reported(ill, "mri")
    assert one["seq"].to_list() == [1, 2, 3, 4, 5, *range(61, 26 * HOURS + 1)]
    assert scan.to_list() == [True] * 5 + [False] * (25 * HOURS)
    standing = one["motor_ul_h"] == 0
    assert standing.sum() == 5 + 24 * HOURS
    assert not standing.tail(HOURS).any()
    assert one["motor_ma"].filter(standing).max() < 0.2
    assert one["pressure_mmhg"].filter(scan).std() > 5 * well.of(1)["pressure_mmhg"].std()
    assert one["pulse_mmhg"].filter(standing & ~scan).mean() == pytest.approx(well.of(1)["pulse_mmhg"].mean(), rel=0.05)
    assert not reported(ill, "stalled").any()


def test_a_pump_trapped_in_telemetry_mode_is_online_without_a_stall_and_gives_nothing(play):
    well, ill = play(minutes=3 * HOURS), play("telemetry_mode", minutes=3 * HOURS)
    assert ill.of(1)["motor_ul_h"].max() == 0
    assert ill.last(1, "flow_ul_h") == pytest.approx(0, abs=0.1)
    assert ill.of(1)["motor_ma"].max() < 0.2
    assert ill.of(1)["flags"].unique().to_list() == [FLAG_BIT["telemetry_mode"]]
    alike(ill, well, "pulse_mmhg", "pressure_mmhg", abs_=0.3)
    assert ill.of(1).height == well.of(1).height


def test_over_infusion_empties_the_reservoir_below_the_computed_volume_and_the_pump_stays_silent(play):
    well, ill = play(minutes=24 * HOURS, interval_s=300), play("over_infusion", 0.3, minutes=24 * HOURS, interval_s=300)
    assert ill.of(1)["flow_ul_h"].mean() == pytest.approx(1.3 * well.of(1)["flow_ul_h"].mean(), rel=0.02)
    alike(ill, well, "motor_ul_h", "pulse_mmhg", "motor_ma", "battery_v")
    fleet = ill.simulation.fleet
    assert fleet.reservoir_ml[1] < fleet.programmed_ml[1] - 0.01
    assert ill.of(1)["flags"].max() == 0


def test_a_worn_tube_gives_less_than_told_and_leaves_more_in_the_reservoir_than_computed(play):
    well, ill = play(minutes=24 * HOURS, interval_s=300), play("under_infusion", minutes=24 * HOURS, interval_s=300)
    assert ill.of(1)["flow_ul_h"].mean() == pytest.approx(0.4 * well.of(1)["flow_ul_h"].mean(), rel=0.03)
    alike(ill, well, "motor_ul_h", "pulse_mmhg", "battery_v")
    assert ill.last(1, "motor_ma") < 0.9 * well.last(1, "motor_ma")
    assert ill.simulation.fleet.reservoir_ml[1] > ill.simulation.fleet.programmed_ml[1] + 0.01


def test_a_reset_pump_runs_at_its_minimum_rate_and_counts_a_boot_and_another_program(play):
    well, ill = play(minutes=3 * HOURS), play("electrical_reset", minutes=3 * HOURS)
    assert ill.of(1)["motor_ul_h"].max() == 0.25
    assert ill.last(1, "flow_ul_h") == pytest.approx(0.25, abs=0.1)
    assert ill.last(1, "motor_ma") < well.last(1, "motor_ma")
    assert reported(ill, "reset").all()
    assert (ill.of(1)["boot"] - well.of(1)["boot"]).unique().to_list() == [1]
    assert (ill.of(1)["program"] - well.of(1)["program"]).unique().to_list() == [1]
    assert (ill.of(1)["time"] - well.of(1)["time"]).unique().to_list() == [-30_000]
    assert ill.of(1)["seq"].equals(well.of(1)["seq"])
    alike(ill, well, "pulse_mmhg", "battery_v", "pressure_mmhg", abs_=0.1)


def test_a_feedthrough_short_mixes_stalls_and_resets_with_an_erratic_current_and_a_step_of_the_battery(play):
    well, ill = play(minutes=6 * HOURS), play("feedthrough_short", minutes=6 * HOURS)
    stalled, reset = reported(ill, "stalled"), reported(ill, "reset")
    assert 0.2 < stalled.mean() < 0.8
    assert (stalled ^ reset).all()
    assert ill.of(1)["motor_ma"].std() > 20 * well.of(1)["motor_ma"].std()
    assert ill.of(1)["battery_v"].max() < well.of(1)["battery_v"].min() - 0.15
    assert ill.of(1)["flow_ul_h"].tail(300).max() < 0.6
    alike(ill, well, "pulse_mmhg")


@pytest.mark.parametrize(("fault", "rise"), [("pocket_fill", 0.0), ("wrong_refill_volume", 0.5)])
def test_a_bad_refill_is_recorded_but_the_reservoir_does_not_rise_as_entered(play, fault, rise):
    well, ill = play(refill_at=10), play(fault, refill_at=10)
    assert reported(ill, "refill").sum() == reported(well, "refill").sum() == 1
    assert well.last(1, "reservoir_ml") == pytest.approx(18, abs=0.05)
    assert ill.last(1, "reservoir_ml") == pytest.approx(1.4 + rise * 16.6, abs=0.05)
    assert ill.simulation.fleet.programmed_ml[1] == pytest.approx(18, abs=0.01)
    assert ill.of(1).head(10).equals(well.of(1).head(10))


def test_a_wrong_concentration_shows_in_no_signal_and_reaches_the_patient_after_the_dead_space(play):
    how = {"minutes": 4 * 24 * HOURS, "interval_s": 600, "refill_at": 10}
    well, ill = play(**how), play("wrong_concentration", **how)
    assert ill.samples.equals(well.samples)
    arrival = play("wrong_concentration", minutes=60, refill_at=10).simulation.fleet
    assert arrival.tip_ug_ml[1] != arrival.reservoir_ug_ml[1]
    true, meant = ill.simulation.fleet, well.simulation.fleet
    assert true.tip_ug_ml[1] == 4 * meant.tip_ug_ml[1]
    assert true.drug_ug[1] == pytest.approx(4 * meant.drug_ug[1], rel=0.02)
    hours = arrival.dead_space_ul[1] / meant.rate_ul_h[1]
    assert 10 < hours < 200


def test_a_pump_that_runs_empty_falls_to_the_residual_volume_and_only_then_stops_flowing(play):
    ill = play("running_empty", minutes=10 * HOURS)
    volume, flow = ill.of(1)["reservoir_ml"], ill.of(1)["flow_ul_h"]
    assert volume.tail(30).mean() == pytest.approx(1.4, abs=0.02)
    assert flow.tail(30).mean() == pytest.approx(0, abs=0.1)
    assert flow.filter(volume > 1.5).mean() == pytest.approx(ill.of(1)["commanded_ul_h"].mean(), rel=0.05)
    assert reported(ill, "low_reservoir").tail(1).item()
    assert ill.of(1)["motor_ul_h"].equals(ill.of(1)["commanded_ul_h"])
    assert ill.last(1, "pulse_mmhg") == pytest.approx(play(minutes=10 * HOURS).last(1, "pulse_mmhg"), rel=0.05)


def test_a_battery_drop_is_a_step_without_a_trend_and_a_large_one_resets_the_pump(play):
    well, some, all_ = play(), play("battery_drop", 0.5), play("battery_drop", 1.0)
    step = well.of(1)["battery_v"] - some.of(1)["battery_v"]
    assert step.to_list() == pytest.approx([0.45] * 30, abs=0.011)
    assert reported(some, "eri").all()
    alike(some, well, "motor_ul_h", "flow_ul_h")
    assert reported(all_, "reset").all()
    assert all_.of(1)["motor_ul_h"].max() == 0.25


@pytest.mark.parametrize(
    ("fault", "channel"),
    [
        ("sensor_bias", "flow_ul_h"),
        ("sensor_noise", "flow_ul_h"),
        ("sensor_unit_slip", "flow_ul_h"),
        ("sensor_drift", "reservoir_ml"),
    ],
)
def test_a_bad_sensor_breaks_one_channel_alone(play, fault, channel):
    well, ill = play(minutes=6 * HOURS), play(fault, minutes=6 * HOURS)
    assert ill.samples.drop(channel).equals(well.samples.drop(channel))
    wrong = (ill.of(1)[channel] - well.of(1)[channel]).to_numpy()
    if fault == "sensor_bias":
        assert wrong == pytest.approx(np.full(len(wrong), 5), abs=0.01)
    elif fault == "sensor_noise":
        assert (wrong.std(), wrong.mean()) == pytest.approx((5, 0), abs=1)
    elif fault == "sensor_unit_slip":
        assert ill.of(1)[channel].to_numpy() == pytest.approx(24 * well.of(1)[channel].to_numpy(), rel=1e-3)
    else:
        assert wrong == pytest.approx(-0.1 * np.arange(1, len(wrong) + 1) / 60, abs=0.002)


def test_late_samples_come_all_at_once_in_order_and_complete(play):
    ill = play("link_late", minutes=12 * HOURS)
    came = ill.samples.with_row_index("arrival").filter(pl.col("index") == 1)
    assert came["seq"].to_list() == list(range(1, came.height + 1))
    assert came.height > 500
    gaps = came["arrival"].diff().drop_nulls()
    assert (gaps == 1).sum() > 400
    assert (came["time"].diff().drop_nulls() == 60_000).all()
    assert ill.samples.filter(pl.col("index") != 1).equals(
        play(minutes=12 * HOURS).samples.filter(pl.col("index") != 1)
    )


def test_duplicated_samples_are_the_same_twice(play):
    ill, well = play("link_duplicated").of(1), play().of(1)
    assert ill["seq"].to_list() == sorted([*range(1, 31)] * 2)
    assert ill.unique(maintain_order=True).equals(well)


def test_reordered_samples_overtake_each_other_and_none_is_lost(play):
    ill = play("link_reordered", 0.5, minutes=60, hold_s=1800)
    seen = ill.of(1)["seq"]
    assert seen.to_list() != sorted(seen)
    assert seen.sort().to_list() == list(range(1, 61))
    assert ill.of(1).sort("seq").equals(play(minutes=60).of(1))


def test_corrupted_samples_are_refused_with_their_reason_and_the_rest_is_read(play):
    ill = play("link_corrupted", 0.3, minutes=100)
    read = decode(encode_arrow(ill.samples.drop("index")))
    assert 10 < 400 - read.samples.height < 60
    assert "pressure_mmhg is 163" in read.rejected[0]


def test_a_skewed_clock_is_ahead_by_a_constant_and_every_reading_is_right(play):
    well, ill = play(), play("clock_skew", 0.5)
    assert (ill.of(1)["time"] - well.of(1)["time"]).unique().to_list() == [1_800_000]
    assert ill.samples.drop("time").equals(well.samples.drop("time"))
