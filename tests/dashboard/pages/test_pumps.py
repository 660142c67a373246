"""Pumps: filters by state, alarm, model, site and gateway, and how many pumps match."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from broker.store.snapshot import Snapshot, empty
from dashboard.app import assemble
from dashboard.data.pump_search import Filters
from dashboard.pages import pumps


def ward(fleet: Any) -> Snapshot:
    """Return 100 pumps, seven of them in alarm and two silent, of two models."""
    snapshot: Snapshot = fleet(100, alarms=7)
    model = pl.when(pl.col("pump").str.ends_with("1")).then(pl.lit("A")).otherwise(pl.lit("B"))
    frame = snapshot.pumps.with_columns(model.alias("model"))
    return Snapshot.of(frame, snapshot.alarms, snapshot.gateways, snapshot.health)


@pytest.mark.parametrize(
    ("filters", "serials"),
    [
        ({"state": "high"}, ["ITB-000001", "ITB-000004", "ITB-000007"]),
        ({"state": "silent"}, ["ITB-000050", "ITB-000100"]),
        ({"rule": "rule_1"}, ["ITB-000002", "ITB-000005"]),
        ({"state": "high", "model": "A"}, ["ITB-000001"]),
        ({"site": "Site 0", "state": "low"}, []),
        ({"gateway": "gateway-99"}, []),
        ({"state": "purple"}, []),
        ({"rule": "no such rule"}, []),
    ],
)
def test_a_filter_leaves_the_pumps_that_match(fleet: Any, filters: dict[str, str], serials: list[str]) -> None:
    rows, _ = pumps.answer(ward(fleet), {}, "", Filters(**filters))
    assert [row["pump"] for row in rows["rowData"]] == serials
    assert rows["rowCount"] == len(serials)


def test_a_filter_by_alarm_finds_pumps_whose_worst_alarm_is_another(fleet: Any) -> None:
    snapshot = ward(fleet)
    other = snapshot.alarms.head(1).with_columns(
        alarm=pl.lit("ITB-000009/leak"), pump=pl.lit("ITB-000009"), rule=pl.lit("leak")
    )
    snapshot = Snapshot.of(snapshot.pumps, pl.concat([snapshot.alarms, other]), snapshot.gateways, snapshot.health)
    assert [row["pump"] for row in pumps.answer(snapshot, {}, "", Filters(rule="leak"))[0]["rowData"]] == ["ITB-000009"]


def test_the_note_counts_what_matches_by_state(fleet: Any) -> None:
    snapshot = ward(fleet)
    assert pumps.answer(snapshot, {}, "")[1] == "100 pumps: 3 high, 2 medium, 2 low, 2 silent, 91 normal"
    assert pumps.answer(snapshot, {}, "itb-00000", Filters(model="B"))[1] == (
        "8 of 100 pumps: 2 high, 2 medium, 2 low, 2 normal"
    )
    assert pumps.answer(snapshot, {}, "nowhere")[1] == "None of 100 pumps matches; clear the search or a filter."


def test_without_pumps_the_page_says_how_to_get_some() -> None:
    assert "pumpwatch run" in pumps.answer(empty(), {}, "")[1]


def test_the_list_begins_with_the_first_pump_as_people_count(fleet: Any) -> None:
    rows = pumps.answer(ward(fleet), {"endRow": 3}, "")[0]["rowData"]
    assert [row["pump"] for row in rows] == ["ITB-000001", "ITB-000002", "ITB-000003"]


def test_filters_offer_what_there_is(fleet: Any) -> None:
    snapshot = ward(fleet)
    assert list(pumps.options(snapshot, "state")) == ["", "high", "medium", "low", "silent", "normal"]
    assert pumps.options(snapshot, "rule")["rule_1"] == "Alarm of rule 1"
    assert list(pumps.options(snapshot, "model")) == ["", "A", "B"]
    assert list(pumps.options(empty(), "site")) == [""]


async def test_rows_in_view_are_answered_without_dash_and_odd_requests_with_the_reason(
    fleet: Any, data_of: Any, browser_of: Any
) -> None:
    asked = {"first": 2, "last": 4, "sort": [{"colId": "pump", "sort": "desc"}], "search": "", "filters": {}}
    async with browser_of(assemble(data_of(ward(fleet))).server) as client:
        answer = (await client.post("/rows/pumps", json=asked)).json()
        assert [row["pump"] for row in answer["rows"]] == ["ITB-000098", "ITB-000097"]
        assert (answer["total"], answer["retired"]) == (100, 0)
        long = await client.post("/rows/pumps", json={**asked, "first": -5, "last": 10**9, "search": "x" * 10_000})
        assert long.json()["total"] == 0
        for body in (b"", b"[]", b'{"first": "2"}', b"\xff"):
            odd = await client.post("/rows/pumps", content=body)
            assert (odd.status_code, odd.text[:27]) == (400, "The request cannot be read:")
