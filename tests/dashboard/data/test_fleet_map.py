"""Fleet map: every pump is in a cell, drawn in the state that it is in, at any size of the fleet."""

from __future__ import annotations

import dataclasses
from typing import Any

import polars as pl
import pytest

from broker.store.pump_table import PumpTable
from broker.store.snapshot import empty
from dashboard.components import fleet_map_card
from dashboard.data import fleet_map, queries
from dashboard.data.fleet_map import ACKNOWLEDGED, MAX_CELLS, MAX_GROUPS, RETURNED, SILENT, View


def codes(found: dict[str, Any]) -> list[int]:
    return [int(digit, 32) for block in found["blocks"] for digit in block[1]]


def test_a_small_fleet_has_a_cell_per_pump_and_never_shows_a_silent_pump_as_normal(fleet: Any) -> None:
    snapshot = fleet(100)
    found = fleet_map.cells(snapshot)
    assert (found["kind"], found["per"]) == ("pump", 1)
    assert len(codes(found)) == len(found["names"]) == 100
    assert codes(found).count(0) == queries.summary(snapshot)["normal"]
    assert codes(found).count(SILENT) == 2
    assert [block[0] for block in found["blocks"]][:2] == ["Site 0", "Site 1"]
    assert sum(block[3] for block in found["blocks"]) == 13
    assert found["names"][:2] == ["ITB-000001", "ITB-000008"], "natural order"


@pytest.mark.parametrize(
    ("state", "drawn"),
    [("unacknowledged", 0), ("returned", RETURNED), ("acknowledged", ACKNOWLEDGED), ("shelved", ACKNOWLEDGED)],
)
def test_a_pump_is_drawn_in_the_state_of_its_alarm(fleet: Any, state: str, drawn: int) -> None:
    snapshot = fleet(3, alarms=1)
    alarms = snapshot.alarms.with_columns(state=pl.lit(state))
    waiting = int(state in ("unacknowledged", "returned"))
    pumps = snapshot.pumps.with_columns(
        unacknowledged=pl.when(pl.col("alarms") > 0).then(waiting).otherwise(0).cast(pl.Int16)
    )
    found = fleet_map.cells(dataclasses.replace(snapshot, alarms=alarms, table=PumpTable.of(pumps)))
    assert codes(found) == [1 + drawn, 0, 0]
    assert found["marked"]["0"] == ["ITB-000001", "Alarm of rule 0", 1]


def test_browsers_ask_for_the_map_when_a_pump_on_it_changed_and_only_then(fleet: Any) -> None:
    before = fleet_map.state_key(fleet(10, alarms=2, version=1))
    assert fleet_map.state_key(fleet(10, alarms=2, version=2)) == before, "newer values alone are not on the map"
    assert fleet_map.state_key(fleet(10, alarms=3)) != before, "another alarm"
    assert fleet_map.state_key(fleet(11, alarms=2)) != before, "another pump"
    snapshot = fleet(10, alarms=2)
    calm = snapshot.alarms.with_columns(state=pl.lit("acknowledged"))
    assert fleet_map.state_key(dataclasses.replace(snapshot, alarms=calm)) != before, "an acknowledged alarm"
    moved = PumpTable.of(snapshot.pumps.with_columns(site=pl.lit("Elsewhere")))
    assert fleet_map.state_key(dataclasses.replace(snapshot, table=moved)) != before, "pumps of another site"


@pytest.mark.parametrize("pumps", [10_000, 100_000])
def test_a_large_fleet_is_opened_group_by_group_down_to_single_pumps(fleet: Any, pumps: int) -> None:
    snapshot = fleet(pumps, alarms=1)
    whole = fleet_map.cells(snapshot)
    assert whole["kind"] == "part"
    assert len(whole["names"]) <= MAX_CELLS + 7
    assert whole["marked"]["0"][:2] == ["ITB-000001", "Alarm of rule 0"]
    site = fleet_map.cells(snapshot, View("site", "Site 0"))
    assert [block[0] for block in site["blocks"]] == ["Site 0"]
    assert len(site["names"]) <= MAX_CELLS
    part = fleet_map.cells(snapshot, View("site", "Site 0", 0))
    assert part["kind"] == "pump"
    assert len(part["names"]) == site["per"]
    assert part["names"][0] == "ITB-000001"


def test_many_groups_are_a_tile_each(fleet: Any) -> None:
    snapshot = fleet(100_000, alarms=1)
    found = fleet_map.cells(snapshot, View("gateway"))
    assert found["kind"] == "group"
    assert len(found["blocks"]) == 100 > MAX_GROUPS
    assert found["names"][0] == found["blocks"][0][0] == "gateway-00"
    assert found["blocks"][0][2] == 1000
    assert codes(found)[0] & 3 == 1


@pytest.mark.parametrize("by", fleet_map.GROUPINGS)
def test_the_fleet_is_divided_by_every_property_and_no_pump_is_left_out(fleet: Any, by: str) -> None:
    found = fleet_map.cells(fleet(50), View(by))
    assert sum(block[2] for block in found["blocks"]) == 50
    assert fleet_map.cells(empty(), View(by))["blocks"] == []


def test_a_group_that_is_not_there_is_an_empty_map(fleet: Any) -> None:
    assert fleet_map.cells(fleet(50), View("site", "Atlantis"))["blocks"] == []
    assert fleet_map.cells(fleet(50), View("site", "Site 0", 99))["blocks"] == []


def test_what_a_browser_asks_for_is_checked() -> None:
    assert fleet_map_card.view("lot", "B07", "3") == View("lot", "B07", 3)
    assert fleet_map_card.view("password", ["x"], {}) == View()
    assert fleet_map_card.view("site", "", "3") == View()
    assert fleet_map_card.view("site", "North", "99999999") == View("site", "North")


def test_a_browser_gets_only_what_it_has_not(fleet: Any, data_of: Any) -> None:
    data = data_of(fleet(50))
    cells, names, key = fleet_map_card.drawn(data, View(), None)
    assert len(names) == sum(len(block[1]) for block in cells["blocks"]) == 50
    again = fleet_map_card.drawn(data, View(), key)
    assert not any(isinstance(one, dict | list) for one in again)
