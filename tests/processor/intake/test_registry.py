"""Registry: numbers of pumps and gateways, facts, clocks, and which gateway may send samples of which pump."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.gateway_messages import Birth, Pumps, Status
from processor.intake import gateways, pump_facts
from processor.intake.gateways import RegistryFullError
from processor.intake.registry import Registry

START_MS = 1_767_225_600_000


def birth(gateway: str, *serials: str, **facts: object) -> Birth:
    pumps = Pumps(serial=list(serials), **facts)  # type: ignore[arg-type]
    return Birth(
        gateway=gateway,
        pumps=pumps,
        sent=START_MS,
        time=START_MS,
        speed=60,
        faults=["motor_stall"],
        fault_titles={"motor_stall": "Motor stall"},
    )


def test_numbers_are_assigned_in_order_of_appearance_and_never_change():
    registry = Registry()
    registry.apply_birth(birth("one", "A", "B"), 3, START_MS)
    registry.gateways.apply_status(Status(gateway="one", state="offline", sent=START_MS), 3)
    registry.apply_birth(birth("two", "C", "A"), 4, START_MS)
    registry.apply_birth(birth("one", "B"), 3, START_MS)
    facts = registry.facts()
    assert facts["pump"].to_list() == ["A", "B", "C"]
    assert facts["gateway"].to_list() == ["two", "one", "two"]


def test_a_birth_states_the_facts_of_each_pump():
    registry = Registry()
    registry.apply_birth(birth("one", "A", "B", site=["North", "South"], reservoir_ml=[20.0, 40.0]), 0, START_MS)
    registry.apply_birth(birth("one", "C"), 0, START_MS)
    facts = registry.facts().select("site", "reservoir_capacity_ml", "model").rows()
    assert facts == [("North", 20.0, None), ("South", 40.0, None), (None, None, None)]
    assert registry.faults == {"motor_stall": "Motor stall"}


def test_the_dose_is_that_of_the_birth_and_is_never_derived_from_the_prescription():
    registry = Registry()
    programs = ["410 µg/day, continuous", "stopped"]
    registry.apply_birth(birth("one", "A", "B", program=programs, dose_ug_day=[410.5, None]), 0, START_MS)
    registry.apply_birth(birth("older", "C", program=["410 µg/day, continuous"]), 0, START_MS)
    assert registry.facts()["dose_ug_day"].to_list() == [410.5, None, None]
    assert registry.facts()["prescription"].to_list() == [*programs, programs[0]]


def test_pumps_and_gateways_are_found_by_name():
    registry = Registry()
    registry.apply_birth(birth("one", "A", "B"), 0, START_MS)
    assert registry.find("B") == (1, None)
    assert registry.find("one") == (None, 0)
    assert registry.find("two") == (None, None)


def test_the_clock_of_a_gateway_continues_from_its_last_message():
    registry = Registry()
    registry.apply_birth(birth("one", "A"), 0, START_MS + 1_000)
    assert registry.clocks(START_MS + 2_000).to_list() == [START_MS + 120_000]
    registry.hear(pl.Series([0], dtype=pl.UInt32), pl.Series([START_MS + 600_000]), START_MS + 3_000)
    assert registry.clocks(START_MS + 4_000).to_list() == [START_MS + 660_000]
    assert registry.clocks(START_MS).to_list() == [START_MS + 600_000]


def test_a_gateway_without_a_birth_may_add_new_pumps_but_none_of_another_gateway():
    registry = Registry()
    registry.apply_birth(birth("one", "A"), 0, START_MS)
    two = registry.gateways.named("two", 1)
    numbers = registry.numbers(two, pl.Series("pump", ["X", "A", "Y"]), START_MS)
    assert numbers.to_list() == [1, None, 2]
    assert "belongs to one" in registry.rejection(two, "A")


def test_the_status_of_a_gateway_is_shown():
    registry = Registry()
    registry.apply_birth(birth("one", "A"), 0, START_MS)
    registry.gateways.apply_status(Status(gateway="one", state="offline", sent=0, waiting=3, dropped=2), 0)
    shown = registry.gateways_frame().row(0, named=True)
    assert (shown["gateway"], shown["state"], shown["waiting"], shown["dropped"], shown["pumps"]) == (
        "one",
        "offline",
        3,
        2,
        1,
    )


def test_a_gateway_that_moves_to_another_shard_is_the_same_gateway():
    registry = Registry()
    registry.apply_birth(birth("one", "A"), 5, START_MS)
    registry.apply_birth(birth("one", "A"), 9, START_MS)
    assert registry.gateways_frame()["shard"].to_list() == [9]


def test_a_full_registry_rejects_new_pumps_and_gateways_and_keeps_the_known_ones(monkeypatch):
    monkeypatch.setattr(pump_facts, "MAX_PUMPS", 2)
    monkeypatch.setattr(gateways, "MAX_GATEWAYS", 2)
    registry = Registry()
    with pytest.raises(RegistryFullError, match="pump 'C' rejected: the limit of 2 pumps is reached"):
        registry.apply_birth(birth("one", "A", "B", "C"), 0, START_MS)
    assert registry.facts()["pump"].to_list() == ["A", "B"]
    two = registry.gateways.named("two", 0)
    assert registry.number(two, "X", START_MS) is None
    assert "the limit of 2 pumps is reached" in registry.rejection(two, "X")
    with pytest.raises(RegistryFullError, match="gateway three rejected: the limit of 2 gateways is reached"):
        registry.gateways.named("three", 0)
    assert registry.over_capacity == 2
    assert registry.gateways.over_capacity == 1


def test_pumps_saved_by_an_older_version_without_their_lot_are_restored():
    registry = Registry()
    registry.apply_birth(
        Birth(gateway="one", pumps=Pumps(serial=["A"], model=["M"], lot=["B07"]), sent=0, time=0), 0, 0
    )
    current, older = (
        Registry.restore(facts, registry.gateways.order, ())
        for facts in (registry.facts(), registry.facts().drop("lot"))
    )
    assert current.facts().select("pump", "model", "lot").rows() == [("A", "M", "B07")]
    assert older.facts().select("pump", "model", "lot").rows() == [("A", "M", None)]


def test_a_gateway_whose_samples_are_all_rejected_is_online():
    registry = Registry()
    registry.apply_birth(birth("one", "A"), 0, START_MS)
    registry.gateways.apply_status(Status(gateway="one", state="offline", sent=0), 0)
    registry.gateways.order[0].receive(None, START_MS + 5_000)
    shown = registry.gateways_frame().row(0, named=True)
    assert (shown["state"], shown["heard_wall"]) == ("online", START_MS + 5_000)
    assert registry.clocks(START_MS + 6_000).to_list() == [START_MS + 6_000 * 60]


def test_of_births_that_follow_each_other_the_last_one_counts_for_the_pumps_that_it_names():
    registry = Registry()
    first = Pumps(serial=["A", "B", "C"], site=["x", "x", "x"], reservoir_ml=[20.0, 20.0, 20.0])
    second = Pumps(serial=["C", "B"], site=["y", "z"])
    for pumps in (first, second):
        registry.apply_birth(Birth(gateway="one", pumps=pumps, sent=START_MS, time=START_MS), 0, START_MS)
    expected = [("A", "x", 20.0), ("B", "z", None), ("C", "y", None)]
    assert registry.facts().select("pump", "site", "reservoir_capacity_ml").rows() == expected
    registry.apply_birth(birth("one", "D"), 0, START_MS)
    assert registry.facts().select("pump", "site", "reservoir_capacity_ml").rows() == [*expected, ("D", None, None)]
