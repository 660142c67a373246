"""Who is there: pumps by number, gateways, and whose pump is whose."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.gateway_messages import Birth, Pumps, Status
from processor.intake import registry as module
from processor.intake.registry import Registry, RegistryFullError

START_MS = 1_767_225_600_000


def birth(gateway: str, *serials: str, **about: object) -> Birth:
    pumps = Pumps(serial=list(serials), **about)  # type: ignore[arg-type]
    return Birth(gateway=gateway, pumps=pumps, sent=START_MS, time=START_MS, speed=60, faults=["motor_stall"])


def test_numbers_are_given_in_order_of_appearance_and_never_change():
    registry = Registry()
    registry.take_birth(birth("one", "A", "B"), 3, START_MS)
    registry.take_birth(birth("two", "C", "A"), 4, START_MS)
    registry.take_birth(birth("one", "B"), 3, START_MS)
    facts = registry.facts()
    assert facts["pump"].to_list() == ["A", "B", "C"]
    assert facts["gateway"].to_list() == ["two", "one", "two"]


def test_a_birth_tells_what_is_known_of_each_pump():
    registry = Registry()
    registry.take_birth(birth("one", "A", "B", site=["North", "South"], reservoir_ml=[20.0, 40.0]), 0, START_MS)
    registry.take_birth(birth("one", "C"), 0, START_MS)
    about = registry.facts().select("site", "reservoir_capacity_ml", "model").rows()
    assert about == [("North", 20.0, None), ("South", 40.0, None), (None, None, None)]
    assert registry.faults == ("motor_stall",)


def test_the_dose_is_that_of_the_birth_and_unknown_without_one_whatever_the_prescription_says():
    registry = Registry()
    programs = ["410 µg/day, continuous", "stopped"]
    registry.take_birth(birth("one", "A", "B", program=programs, dose_ug_day=[410.5, None]), 0, START_MS)
    registry.take_birth(birth("older", "C", program=["410 µg/day, continuous"]), 0, START_MS)
    assert registry.facts()["dose_ug_day"].to_list() == [410.5, None, None]
    assert registry.facts()["prescription"].to_list() == [*programs, programs[0]]


def test_the_clock_of_a_gateway_runs_from_when_it_was_last_heard():
    registry = Registry()
    registry.take_birth(birth("one", "A"), 0, START_MS + 1_000)
    assert registry.clocks(START_MS + 2_000).to_list() == [START_MS + 120_000]
    registry.hear(pl.Series([0], dtype=pl.UInt32), pl.Series([START_MS + 600_000]), START_MS + 3_000)
    assert registry.clocks(START_MS + 4_000).to_list() == [START_MS + 660_000]
    assert registry.clocks(START_MS).to_list() == [START_MS + 600_000]


def test_a_gateway_without_a_birth_may_bring_new_pumps_but_none_of_anothers():
    registry = Registry()
    registry.take_birth(birth("one", "A"), 0, START_MS)
    two = registry.gateway("two", 1)
    numbers = registry.numbers(two, pl.Series("pump", ["X", "A", "Y"]), START_MS)
    assert numbers.to_list() == [1, None, 2]
    assert "belongs to one" in registry.why_refused(two, "A")


def test_what_a_gateway_says_of_itself_is_seen():
    registry = Registry()
    registry.take_birth(birth("one", "A"), 0, START_MS)
    registry.take_status(Status(gateway="one", state="offline", sent=0, waiting=3, dropped=2), 0)
    seen = registry.gateways_frame().row(0, named=True)
    assert (seen["gateway"], seen["state"], seen["waiting"], seen["dropped"], seen["pumps"]) == (
        "one",
        "offline",
        3,
        2,
        1,
    )


def test_a_gateway_that_moved_to_another_shard_is_the_same_gateway():
    registry = Registry()
    registry.take_birth(birth("one", "A"), 5, START_MS)
    registry.take_birth(birth("one", "A"), 9, START_MS)
    assert registry.gateways_frame()["shard"].to_list() == [9]


def test_a_full_registry_says_so_and_keeps_what_it_has(monkeypatch):
    monkeypatch.setattr(module, "MAX_PUMPS", 2)
    monkeypatch.setattr(module, "MAX_GATEWAYS", 2)
    registry = Registry()
    with pytest.raises(RegistryFullError, match="2 pumps are known, which is the limit; C is not taken"):
        registry.take_birth(birth("one", "A", "B", "C"), 0, START_MS)
    assert registry.facts()["pump"].to_list() == ["A", "B"]
    two = registry.gateway("two", 0)
    assert registry.number(two, "X", START_MS) is None
    assert "2 pumps are known" in registry.why_refused(two, "X")
    with pytest.raises(RegistryFullError, match="2 gateways are known, which is the limit; three is not taken"):
        registry.gateway("three", 0)


def test_pumps_that_an_older_version_saved_without_their_lot_are_known_again():
    registry = Registry()
    registry.take_birth(Birth(gateway="one", pumps=Pumps(serial=["A"], model=["M"], lot=["B07"]), sent=0, time=0), 0, 0)
    now, before = (
        Registry.restore(facts, registry.gateways, ()) for facts in (registry.facts(), registry.facts().drop("lot"))
    )
    assert now.facts().select("pump", "model", "lot").rows() == [("A", "M", "B07")]
    assert before.facts().select("pump", "model", "lot").rows() == [("A", "M", None)]


def test_a_gateway_of_whom_all_samples_are_refused_was_heard_all_the_same():
    registry = Registry()
    registry.take_birth(birth("one", "A"), 0, START_MS)
    registry.take_status(Status(gateway="one", state="offline", sent=0), 0)
    registry.gateways[0].takes(None, START_MS + 5_000)
    seen = registry.gateways_frame().row(0, named=True)
    assert (seen["state"], seen["heard_wall"]) == ("online", START_MS + 5_000)
    assert registry.clocks(START_MS + 6_000).to_list() == [START_MS + 6_000 * 60]
