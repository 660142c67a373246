"""Events of healthy pumps: their effects, their rates at random, and the built-in scenarios."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import polars as pl
import pytest

from broker.contract.signals import FLAG_BIT
from simulator.faults import FAULTS
from simulator.fleet.therapy import Fill
from simulator.gateway.service import _Fleet
from simulator.gateway.settings import Settings
from simulator.playback import schedule
from simulator.playback.event_kinds import EVENTS
from simulator.playback.scenario import FOLDER, Arrivals, ScheduledEvent, default, load
from simulator.playback.simulation import Simulation

START_MS = 1_767_571_200_000


def with_and_without(*events, pumps=10, hours=6.0, interval_s=300, **changes):
    """Play a fleet with events, and the same fleet without."""
    runs = []
    for scheduled in (events, ()):
        scenario = dataclasses.replace(default(pumps=pumps, interval_s=interval_s), events=scheduled, **changes)
        simulation = Simulation(scenario, start_ms=START_MS)
        runs.append((simulation, pl.concat([simulation.tick() for _ in range(round(hours * 3600 / interval_s))])))
    return runs


def at(name, hours=1.0, pumps="1", **how):
    return ScheduledEvent(name, pumps, None, hours * 3600, **how)


def of(samples, pump=1):
    return samples.filter(pl.col("index") == pump)


def test_an_mri_appointment_stops_the_motor_only_during_the_scan():
    (simulation, eventful), (without, uneventful) = with_and_without(at("mri"), interval_s=60)
    stopped = of(eventful)["motor_ul_h"] == 0
    assert stopped.sum() == 5
    assert (of(eventful)["flags"].filter(stopped) == FLAG_BIT["mri"]).all()
    running = of(eventful).filter(~stopped)
    assert running["flags"].max() == 0
    outside = of(uneventful).filter(~pl.col("seq").is_between(61, 102))
    assert running.select("seq", "motor_ul_h").equals(outside.select("seq", "motor_ul_h"))
    assert of(eventful, 2).equals(of(uneventful, 2))
    assert simulation.fleet.reservoir_ml[1] > without.fleet.reservoir_ml[1]


def test_no_samples_arrive_from_inside_the_scanner():
    (_, eventful), _ = with_and_without(at("mri", hold_s=1800.0), interval_s=60)
    gaps = of(eventful)["seq"].diff().drop_nulls()
    assert gaps.value_counts(sort=True).rows() == [(1, 359 - 25 - 1), (26, 1)]
    assert of(eventful).filter(pl.col("seq") == 65)["flags"].item() == FLAG_BIT["mri"]


def test_sitting_up_raises_pressure_and_keeps_pulsatility():
    (_, eventful), (_, uneventful) = with_and_without(at("posture", hold_s=3600.0))
    up = of(eventful)["pressure_mmhg"] - of(uneventful)["pressure_mmhg"]
    assert up.max() == pytest.approx(10, abs=0.5)
    assert up.tail(12).abs().max() < 0.2
    assert (of(eventful)["pulse_mmhg"] - of(uneventful)["pulse_mmhg"]).abs().max() < 0.1


def test_fever_rises_and_falls_and_changes_no_other_signal():
    (_, eventful), (_, uneventful) = with_and_without(at("fever", hold_s=3 * 3600.0), hours=12)
    warmer = of(eventful)["temperature_c"] - of(uneventful)["temperature_c"]
    assert 38.5 < of(eventful)["temperature_c"].max() < 41
    assert 0.5 < warmer[48] < 2
    assert warmer[-1] == pytest.approx(0, abs=0.11)
    assert eventful.drop("temperature_c").equals(uneventful.drop("temperature_c"))


def test_a_journey_raises_flow_in_the_cabin_and_flow_and_temperature_at_the_destination():
    (_, eventful), (_, uneventful) = with_and_without(at("travel", hours=0, size=0.5), hours=50)
    gain = (of(eventful)["flow_ul_h"] / of(uneventful)["flow_ul_h"]).to_numpy().reshape(50, 12).mean(axis=1) - 1
    warmer = (of(eventful)["temperature_c"] - of(uneventful)["temperature_c"]).to_numpy().reshape(50, 12).mean(axis=1)
    cabin, destination, after = [*range(1, 5), *range(43, 47)], range(6, 42), [48, 49]
    assert gain[cabin] == pytest.approx(np.full(8, 0.02), abs=0.001)
    assert gain[list(destination)] == pytest.approx(np.full(36, 0.01), abs=0.001)
    assert (gain[0], gain[47]) == pytest.approx((0.015, 0.015), abs=0.003)
    assert gain[after] == pytest.approx(np.zeros(2), abs=0.001)
    assert warmer[list(destination)].mean() == pytest.approx(0.15, abs=0.02)
    assert warmer[cabin].mean() == pytest.approx(0, abs=0.02)
    unchanged = ("time", "seq", "commanded_ul_h", "motor_ul_h", "flags")
    assert eventful.select(unchanged).equals(uneventful.select(unchanged))


def test_refill_program_and_bolus_affect_only_their_own_pumps():
    (simulation, eventful), (_, uneventful) = with_and_without(
        at("refill"), at("program", pumps="2"), at("bolus", pumps="3")
    )
    assert (of(eventful)["flags"] & FLAG_BIT["refill"]).sum() == FLAG_BIT["refill"]
    assert of(eventful)["reservoir_ml"][-1] > of(uneventful)["reservoir_ml"][-1]
    assert of(eventful, 2)["program"].unique().to_list() == [1, 2]
    assert simulation.fleet.dose_ug_day[2] == pytest.approx(
        1.1 * with_and_without(hours=0.1)[0][0].fleet.dose_ug_day[2]
    )
    assert of(eventful, 3)["commanded_ul_h"].max() > of(uneventful, 3)["commanded_ul_h"].max() + 5
    assert of(eventful, 4).equals(of(uneventful, 4))


def test_clocks_drift_by_seconds_a_day_in_both_directions_until_a_programmer_sets_them():
    drift = at("clock_drift", hours=0, pumps="0-4", hold_s=5 * 86_400.0)
    (simulation, eventful), (_, uneventful) = with_and_without(drift, hours=6 * 24, interval_s=1800)
    ahead = [(of(eventful, pump)["time"] - of(uneventful, pump)["time"]).to_list() for pump in range(6)]
    assert {ahead[pump][47] for pump in range(5)} == {-2000, 2000}
    assert {ahead[pump][-1] for pump in range(5)} == {-10_000, 10_000}
    assert set(ahead[5]) == {0}
    assert eventful.drop("time").equals(uneventful.drop("time"))
    simulation.interrogate(np.array([0]))
    simulation.refill([(np.array([1]), Fill(18.0, 1000.0, 18.0, 1000.0))])
    error_ms = (simulation.tick()["time"] - simulation.time_ms).to_list()
    assert error_ms[:2] == [0, 0]
    assert {abs(ms) for ms in error_ms[2:5]} == {10_000}


@pytest.mark.parametrize("name", ["gateway_restart", "broker_outage"])
def test_a_gateway_delivers_all_samples_after_a_restart_or_an_outage(name):
    (_, eventful), (_, uneventful) = with_and_without(at(name, pumps="0-9", hold_s=1800.0))
    assert eventful.height == uneventful.height
    for pump in range(10):
        assert of(eventful, pump).equals(of(uneventful, pump))
    arrived = [frame.height for frame in eventful.partition_by("time", maintain_order=True)]
    assert set(arrived) == {10}
    assert not eventful["time"].is_sorted()


def test_clearing_faults_does_not_end_events():
    simulation = with_and_without(at("fever"), hours=8)[0][0]
    assert simulation.active().is_empty()
    assert simulation.clear() == 0
    assert simulation.tick()["temperature_c"][1] > 38.5


def test_events_arrive_at_random_at_their_rates():
    arrivals = Arrivals(event_factor=5)
    (simulation, eventful), _ = with_and_without(pumps=50, hours=5 * 24, interval_s=1800, random=arrivals)
    per_pump_year = 365.25 / 5 / 50 / arrivals.event_factor
    refills = ((eventful["flags"] & FLAG_BIT["refill"]) > 0).sum() * per_pump_year
    assert 1 < refills < 20
    assert 2 < (simulation.fleet.program.astype(int) - 1).sum() * per_pump_year < 12
    assert 50 * 240 - 10 < eventful.height < 50 * 240, "no samples arrive from inside a scanner"
    assert eventful["temperature_c"].max() > 38.5


def test_faults_arrive_at_random_at_their_published_rates_times_the_factor():
    scenario = dataclasses.replace(default(pumps=200, interval_s=3600), random=Arrivals(rate_factor=500))
    simulation, arrived = Simulation(scenario, start_ms=START_MS), set()
    for _ in range(10 * 24):
        simulation.tick()
        arrived |= set(simulation.active().select("pump", "fault", "since").rows())
    expected = sum(fault.rate_per_pump_year for fault in FAULTS.values()) * 500 * 200 * 10 / 365.25
    assert len(arrived) == pytest.approx(expected, rel=0.25)
    again = Simulation(scenario, start_ms=START_MS)
    for _ in range(10 * 24):
        again.tick()
    assert again.active().equals(simulation.active())
    other = Simulation(dataclasses.replace(scenario, seed=7), start_ms=START_MS)
    for _ in range(10 * 24):
        other.tick()
    assert not other.active().equals(simulation.active())


def test_a_fault_that_is_added_leaves_the_random_arrivals_of_the_others_as_they_were(monkeypatch):
    scenario = dataclasses.replace(default(pumps=200, interval_s=3600), random=Arrivals(rate_factor=500))

    def arrived() -> list[tuple]:
        simulation = Simulation(scenario, start_ms=START_MS)
        begun = []
        for _ in range(3 * 24):
            simulation.tick()
            begun += [(entry, index.tolist()) for entry, index in simulation.begun]
        return begun

    with_all = arrived()
    added = next(entry.name for entry, _ in with_all)
    monkeypatch.setattr(schedule, "FAULTS", {name: fault for name, fault in FAULTS.items() if name != added})

    assert arrived() == [(entry, index) for entry, index in with_all if entry.name != added]


def test_no_event_has_the_name_of_a_fault():
    assert not set(EVENTS) & set(FAULTS)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_every_built_in_scenario_plays_and_says_that_it_is_no_medical_device(name):
    assert "no medical device" in " ".join((FOLDER / f"{name}.toml").read_text().replace("#", " ").split())
    scenario = load(name)
    if name == "million":
        scenario = dataclasses.replace(scenario, pumps=1000)
    simulation, samples = Simulation(dataclasses.replace(scenario, interval_s=1800), start_ms=START_MS), 0
    for _ in range(48):
        samples += simulation.tick().height
    assert samples > 20 * scenario.pumps


def test_every_fault_is_in_the_scenario_every_fault_on_five_pumps():
    scenario = dataclasses.replace(load("every-fault"), interval_s=1800)
    simulation = Simulation(scenario, start_ms=START_MS)
    for _ in range(22):
        simulation.tick()
    truth = simulation.active().group_by("fault").agg(pl.col("severity").sort())
    assert set(truth["fault"]) == set(FAULTS)
    assert all(np.allclose(row, [0.2, 0.4, 0.6, 0.8, 1.0]) for row in truth["severity"])


class Recorder:
    """Session of a gateway that keeps what it should send."""

    def __init__(self, own):
        self.own, self.parcels, self.alive = own, [], False

    def put(self, parcel):
        self.parcels.append(parcel)


@pytest.mark.parametrize("speed", [60.0, 6000.0])
async def test_samples_are_the_same_bit_for_bit_at_any_speed(speed):
    scenario = dataclasses.replace(load("every-fault"), interval_s=1.0, start_ms=START_MS)
    alone = Simulation(scenario, start_ms=START_MS)
    expected = [alone.tick() for _ in range(20)]
    fleet = _Fleet(Settings(broker="mqtt://127.0.0.1:1", speed=speed), Simulation(scenario, start_ms=START_MS), 1)
    recorder = Recorder(range(scenario.pumps))
    fleet.sessions = [recorder]
    fleet._parcel = lambda session, payloads, number: payloads.samples
    ticking = asyncio.create_task(fleet._tick_on())
    async with asyncio.timeout(20):
        while len(recorder.parcels) < len(expected) and not ticking.done():
            await asyncio.sleep(0.01)
    assert not ticking.done()
    ticking.cancel()
    frames = recorder.parcels[: len(expected)]
    assert all(sent.equals(frame.drop("index")) for sent, frame in zip(frames, expected, strict=True))
