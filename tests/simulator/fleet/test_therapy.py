"""Treatments of pumps are executed as commanded, or refused with a reason."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from broker.contract.commands import Bolus, Clear, Inject, Interrogate, Program, Refill, Replace, Stop, read_command
from broker.contract.dose_limits import MINIMUM_UL_H
from broker.contract.messages import MessageError, encode
from broker.contract.signals import FLAG_BIT
from simulator.fleet.program import DAY_S, periodic, profile, weekly
from simulator.gateway.commands import CommandExecutor
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

MONDAY_MS = 1_767_571_200_000
PUMPS = 30


@pytest.fixture
def fleet() -> Simulation:
    return Simulation(default(pumps=PUMPS, interval_s=600), start_ms=MONDAY_MS)


@pytest.fixture
def send(fleet):
    """Send a command over the wire and return its reply."""
    orders, count = CommandExecutor(fleet), iter(range(1000))

    def send(kind, *pumps, **what):
        serials = [f"ITB-{pump:06d}" for pump in pumps or (1,)]
        command = kind(id=str(next(count)), pumps=serials, **what)
        return orders.execute("g", range(PUMPS), read_command(encode(command)))

    return send


def ticks(fleet, count, pump=1):
    return pl.concat([fleet.tick() for _ in range(count)]).filter(pl.col("index") == pump)


def test_a_new_dose_changes_the_flow_and_counts_as_a_new_program(fleet, send):
    before = ticks(fleet, 144)
    assert send(Program, change=1.1).text == "new program on 1 pump, from the next sample on"
    after = ticks(fleet, 144)
    assert after["commanded_ul_h"].mean() == pytest.approx(1.1 * before["commanded_ul_h"].mean(), rel=0.002)
    assert after["program"][0] == before["program"][-1] + 1
    assert send(Program, dose_ug_day=float(fleet.fleet.dose_ug_day[1]) * 0.9).ok


@pytest.mark.parametrize(("group", "most"), [(0, 15), (1, 15), (2, 30), (3, 30), (4, 15)])
def test_a_dose_that_changes_too_much_at_once_is_refused_with_what_is_allowed(fleet, send, group, most):
    pump = int(np.flatnonzero(fleet.fleet.group == group)[0])
    for change in (1 + most / 100 + 0.01, 1 - most / 100 - 0.01):
        reply = send(Program, pump, change=change)
        assert not reply.ok
        assert f"allowed at once is {most}% for this patient" in reply.text
    assert send(Program, pump, change=1 + most / 100).ok


@pytest.mark.parametrize(
    ("kind", "what", "reason"),
    [
        (Program, {"dose_ug_day": 3000.0}, "dose of ITB-000001 is 3000 µg/day; allowed is 0 to 2,000"),
        (Program, {"dose_ug_day": 3.0}, "mL/day; allowed is 0.048 to 24"),
        (Program, {"dose_ug_day": 300.0, "change": 1.1}, "not both"),
        (Program, {"steps": [(3600.0, 1.0)]}, "the first must begin at 0"),
        (Program, {"steps": [(60.0 * n, 1.0) for n in range(14)]}, "allowed are 1 to 13"),
        (Program, {"steps": [(0.0, 1.0)], "boluses_a_day": 2}, "either steps or periodic boluses"),
        (Program, {"boluses_a_day": 9}, "9 boluses a day of 3600 s"),
        (Bolus, {"dose_ug": 150.0}, "bolus of ITB-000001 is 150 µg; allowed is 0 to 100"),
        (Bolus, {"dose_ug": 50.0, "over_s": 5.0}, "bolus takes 5 s; allowed is 60 to 86400 s"),
        (Bolus, {"dose_ug": 100.0, "over_s": 60.0}, "flow of the bolus of ITB-000001"),
        (Refill, {"entered_ml": 60.0}, "volume entered of ITB-000001 is 60 mL; allowed is 1.4 to"),
        (Refill, {"actual_ml": 60.0}, "volume filled of ITB-000001 is 60 mL"),
        (Refill, {"entered_ug_ml": 700.0}, "concentration entered is 700 µg/mL; baclofen comes as 500, 1000, 2000"),
        (
            Refill,
            {"actual_ug_ml": 9000.0},
            "concentration filled of ITB-000001 is 9000 µg/mL; allowed is 0 to 4,000",
        ),
    ],
)
def test_a_treatment_out_of_limits_is_refused_with_the_reason_and_changes_nothing(fleet, send, kind, what, reason):
    healthy = Simulation(default(pumps=PUMPS, interval_s=600), start_ms=MONDAY_MS)
    reply = send(kind, **what)
    assert not reply.ok
    assert reason in reply.text
    assert fleet.tick().equals(healthy.tick())


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Bolus(id="a", pumps=["b"], dose_ug=-1.0), "dose_ug is -1.0; allowed is 0 to 100,000"),
        (Refill(id="a", pumps=["b"], actual_ml=-1.0), "actual_ml is -1.0; allowed is 0 to 1,000"),
        (Program(id="a", pumps=["b"], steps=[(0.0, 1.0)], days=[7]), "days[0] is 7; allowed is 0 to 6"),
    ],
)
def test_a_command_out_of_any_range_is_rejected_on_the_wire(command, reason):
    with pytest.raises(MessageError, match=re.escape(reason)):
        read_command(encode(command))


def test_a_bolus_adds_its_dose_to_the_program_and_a_second_one_must_wait(fleet, send):
    usual = ticks(Simulation(default(pumps=PUMPS, interval_s=600), start_ms=MONDAY_MS), 12)
    assert send(Bolus, dose_ug=50.0, over_s=3600.0).ok
    assert "already has a bolus running" in send(Bolus, dose_ug=50.0).text
    given = ticks(fleet, 12)
    more_ul = (given["commanded_ul_h"] - usual["commanded_ul_h"]).to_numpy() / 6
    assert more_ul.sum() * fleet.fleet.concentration_ug_ml[1] / 1000 == pytest.approx(50, rel=0.02)
    assert more_ul[6:] == pytest.approx(np.zeros(6))
    assert send(Bolus, dose_ug=10.0).ok


def test_a_stopped_pump_delivers_nothing_and_one_at_minimum_rate_nearly_nothing_until_the_next_program(fleet, send):
    usual = ticks(fleet, 6)["commanded_ul_h"].mean()
    assert send(Stop).ok
    stopped = ticks(fleet, 30)
    assert (stopped["commanded_ul_h"].max(), stopped["flags"][-1], stopped["motor_ma"].max() < 0.2) == (0, 0, True)
    assert fleet.describe().program[1] == "stopped"
    assert send(Program, mode="minimum").ok
    assert ticks(fleet, 1)["commanded_ul_h"][0] == MINIMUM_UL_H
    assert send(Program).ok
    assert ticks(fleet, 1)["commanded_ul_h"][0] == pytest.approx(usual, rel=0.6)
    assert fleet.fleet.program[1] == 4


@pytest.mark.parametrize("how", [(Stop, {}), (Program, {"mode": "minimum"}), (Replace, {})])
def test_a_bolus_ends_when_its_program_ends(fleet, send, how):
    kind, what = how
    fleet.fleet.profile[1] = 0
    usual = ticks(fleet, 1)["commanded_ul_h"][0]
    assert send(Bolus, dose_ug=50.0, over_s=7200.0).ok
    assert ticks(fleet, 1)["commanded_ul_h"][0] > usual + 5
    assert send(kind, **what).ok
    left = {Stop: 0.0, Program: MINIMUM_UL_H, Replace: usual}[kind]
    assert ticks(fleet, 2)["commanded_ul_h"].to_list() == pytest.approx([left, left])


def test_a_stopped_pump_gets_no_bolus_and_no_bridge(fleet, send):
    assert send(Stop).ok
    refused = send(Bolus, dose_ug=10.0)
    assert (refused.ok, refused.text) == (False, "ITB-000001 is stopped and gives no bolus; send a program first")
    other = 1000.0 if fleet.fleet.concentration_ug_ml[1] == 500 else 500.0
    for after in ("bridge", "prime"):
        send(Refill, entered_ug_ml=other, after=after)
    assert ticks(fleet, 6)["commanded_ul_h"].max() == 0


def test_a_refill_fills_the_reservoir_and_is_recorded_once(fleet, send):
    before = ticks(fleet, 3)
    assert send(Refill).text == "1 pump refilled"
    after = ticks(fleet, 3)
    assert after["reservoir_ml"][0] == pytest.approx(fleet.fleet.reservoir_capacity_ml[1], abs=0.1)
    assert after["reservoir_ml"][0] > before["reservoir_ml"][-1]
    assert [flags & FLAG_BIT["refill"] for flags in after["flags"]] == [FLAG_BIT["refill"], 0, 0]
    assert after["program"].equals(before["program"])


def test_a_new_concentration_keeps_the_dose_and_arrives_a_day_or_two_later(fleet, send):
    pump = int(np.flatnonzero((fleet.fleet.concentration_ug_ml == 1000) & (fleet.fleet.dose_ug_day < 400))[0])
    ticks(fleet, 1)
    assert send(Refill, pump, entered_ug_ml=2000.0).ok
    truth = []
    for _ in range(8 * 144):
        fleet.tick()
        truth.append((fleet.fleet.tip_ug_ml[pump], fleet.fleet.drug_ug[pump]))
    tip, drug = np.array(truth).T
    waited_days = np.argmax(tip == 2000) / 144
    assert 0.5 < waited_days < 6
    assert fleet.fleet.rate_ul_h[pump] * 24 * 2 == pytest.approx(fleet.fleet.dose_ug_day[pump], rel=1e-5)
    meanwhile = drug[int(waited_days * 144) - 30 : int(waited_days * 144) - 5].mean()
    assert meanwhile == pytest.approx(drug[-144:].mean() / 2, rel=0.35)


@pytest.mark.parametrize(
    ("after", "least", "most"), [("nothing", 0.3, 0.75), ("bridge", 0.75, 1.25), ("prime", 1.2, 3.0)]
)
def test_old_drug_in_the_dead_space_under_doses_unless_bridged_and_over_doses_when_primed(
    send, fleet, after, least, most
):
    pump = int(np.flatnonzero((fleet.fleet.concentration_ug_ml == 1000) & (fleet.fleet.profile == 0))[0])
    usual = float(fleet.fleet.drug_ug[pump])
    assert send(Refill, pump, entered_ug_ml=2000.0, after=after).ok
    ticks(fleet, 72)
    assert least < fleet.fleet.drug_ug[pump] / usual < most


def test_a_replaced_pump_has_a_new_battery_and_no_pump_faults_but_keeps_the_old_catheter(fleet, send):
    for fault in ("battery_drop", "catheter_occlusion"):
        send(Inject, fault=fault, severity=0.7)
    ticks(fleet, 2)
    assert send(Replace).ok
    new = ticks(fleet, 2)
    assert fleet.active()["fault"].to_list() == ["catheter_occlusion"]
    assert (new["flags"][-1], new["boot"][-1]) == (0, 1)
    assert new["battery_v"][-1] > 3.4
    assert new["reservoir_ml"][-1] == pytest.approx(fleet.fleet.reservoir_capacity_ml[1], abs=0.1)


def test_an_interrogation_ends_telemetry_mode_and_returns_the_status(fleet, send):
    send(Inject, fault="telemetry_mode")
    assert ticks(fleet, 1)["motor_ul_h"][0] == 0
    report = send(Interrogate).text
    assert report.startswith("ITB-000001: ")
    assert "µg/day" in report
    assert report.endswith("telemetry mode")
    assert ticks(fleet, 1)["motor_ul_h"][0] > 0
    assert send(Interrogate, *range(8)).text.splitlines()[-1] == "and 3 more"


def test_a_redelivered_command_is_executed_once(fleet):
    orders = CommandExecutor(fleet)
    for _ in range(2):
        orders.execute("g", range(PUMPS), Program(id="one", pumps=["ITB-000001"], change=1.1))
    assert fleet.fleet.program[1] == 2
    assert orders.execute("g", range(PUMPS), Clear(id="two")).ok


def test_a_pump_of_another_gateway_is_refused(fleet):
    reply = CommandExecutor(fleet).execute("g", range(3), Stop(id="one", pumps=["ITB-000009"]))
    assert (reply.ok, reply.text) == (False, "g does not speak for ITB-000009")


def test_periodic_boluses_add_to_a_basal_rate_and_deliver_their_share():
    schedule = profile(periodic(4, 0.5, 1800))
    assert schedule.steps.tolist() == [8]
    assert schedule.mean_factor(0, DAY_S)[0] == pytest.approx(1)
    in_boluses = sum(schedule.mean_factor(number * DAY_S / 4, 1800)[0] * 1800 for number in range(4))
    basal = schedule.mean_factor(3600, 60)[0] * 1800 * 4
    assert (in_boluses - basal) / DAY_S == pytest.approx(0.5)


def test_a_weekly_schedule_has_different_days_and_the_same_weekly_dose():
    workday, sunday = [(0.0, 1.0), (43_200.0, 3.0)], [(0.0, 4.0)]
    week = weekly([workday] * 6 + [sunday])
    assert week.mean_factor(0, 7 * DAY_S)[0] == pytest.approx(1)
    assert week.mean_factor(6 * DAY_S, DAY_S)[0] == pytest.approx(2 * week.mean_factor(5 * DAY_S, DAY_S)[0])
    assert week.mean_factor(6 * DAY_S - 60, 120)[0] == pytest.approx((60 * 3 + 60 * 4) / 120 / (16 / 7))
    assert week.mean_factor(7 * DAY_S + 50_000, 60) == pytest.approx(week.mean_factor(50_000, 60))


def test_a_schedule_for_some_days_leaves_the_others_continuous(fleet, send):
    steps = [(0.0, 1.0), (43_200.0, 2.0)]
    assert send(Program, steps=steps, days=[0]).ok
    monday, tuesday = ticks(fleet, 144)["commanded_ul_h"], ticks(fleet, 144)["commanded_ul_h"]
    assert (monday.n_unique(), tuesday.n_unique()) == (2, 1)
    assert monday[-1] == pytest.approx(2 * monday[0], rel=0.01)
    rows = len(fleet.fleet.profiles.week)
    assert send(Program, 2, steps=steps, days=[0]).ok
    assert len(fleet.fleet.profiles.week) == rows


@pytest.mark.parametrize(("interval_s", "times"), [(60, 10), (600, 1), (3600, 1)])
def test_a_pump_reports_for_ten_minutes_that_it_was_programmed_at_any_interval(interval_s, times):
    fleet = Simulation(default(pumps=2, interval_s=interval_s), start_ms=MONDAY_MS)
    fleet.prescribe(np.array([1]))
    samples = ticks(fleet, 15)
    assert samples["flags"].to_list() == [FLAG_BIT["programmed"]] * times + [0] * (15 - times)
    assert samples["program"].unique().to_list() == [2]


def test_a_new_program_clears_a_corrupted_one(fleet, send):
    usual = ticks(fleet, 2)["commanded_ul_h"][-1]
    fleet.inject("program_corrupted", np.array([1]), severity=1.0)
    wrong = ticks(fleet, 2)
    times = wrong["commanded_ul_h"][-1] / usual
    assert min(abs(times - 2), abs(times - 0.5)) < 0.01
    assert (wrong["program"][-1], wrong["flags"].max()) == (2, 0)
    assert send(Program).ok
    right = ticks(fleet, 2)
    assert right["commanded_ul_h"][-1] == pytest.approx(usual, rel=0.01)
    assert right["flags"][0] == FLAG_BIT["programmed"]
    assert fleet.active().is_empty()
