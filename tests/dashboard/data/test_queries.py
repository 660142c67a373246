"""Queries, pump search and trends behind the pages."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import polars as pl
import pytest

from broker.contract.cohorts import members_of
from broker.contract.signals import SIGNAL_NAMES, empty_samples
from broker.store.journal import EVENTS_SCHEMA
from broker.store.pump_table import PumpTable
from broker.store.snapshot import ALARMS_SCHEMA, empty
from dashboard import theme
from dashboard.components import elements, figures, pump_summary
from dashboard.data import pump_search, queries, trends
from dashboard.data.fleet_index import facts_index
from dashboard.data.memo import remembered
from dashboard.pages import pump, pumps

THERAPY_MS = 1_768_221_120_000


def alarms(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(ALARMS_SCHEMA), **row} for row in rows], schema=ALARMS_SCHEMA)


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(EVENTS_SCHEMA), **row} for row in rows], schema=EVENTS_SCHEMA)


def alarm(name: str, state: str, priority: int, onset: int, **more: Any) -> dict[str, Any]:
    return {
        "alarm": name,
        "pump": name,
        "subject": name,
        "state": state,
        "priority": priority,
        "onset": onset,
        "rule": name,
        **more,
    }


def test_alarms_are_sorted_unacknowledged_first_then_by_priority_then_oldest() -> None:
    found = queries.ordered(
        alarms(
            alarm("acknowledged", "acknowledged", 1, 1),
            alarm("returned", "returned", 1, 1),
            alarm("low", "unacknowledged", 3, 1),
            alarm("young medium", "unacknowledged", 2, 9),
            alarm("old medium", "unacknowledged", 2, 2),
            alarm("high", "unacknowledged", 1, 99),
        )
    )
    assert found["alarm"].to_list() == [
        "high",
        "old medium",
        "young medium",
        "low",
        "returned",
        "acknowledged",
    ]


@pytest.mark.parametrize(
    ("state", "text"), [("unacknowledged", "for 20 min"), ("returned", "returned, unacknowledged")]
)
def test_a_returned_alarm_is_shown_as_returned(fleet: Any, state: str, text: str) -> None:
    row = queries.pump_row(fleet(1), "ITB-000001")
    assert row is not None
    open_alarm = alarm("ITB-000001", state, 1, THERAPY_MS - 1_200_000, title="Catheter occluded", age_s=1200.0)
    head = str(pump_summary.head(row, alarms(open_alarm), fleet(1).orders))
    assert f"Catheter occluded, {text}" in head


def test_many_alarms_behind_one_gateway_become_one_line() -> None:
    group = [alarm(f"p{n}", "unacknowledged", 2, 100 - n, rule="silence", gateway="gateway-07") for n in range(12)]
    single = [alarm(f"q{n}", "unacknowledged", 3, n, rule="low", gateway="gateway-01") for n in range(5)]
    behind = pl.DataFrame({"gateway": ["gateway-07", "gateway-01"], "behind": [12, 100]})
    found = queries.worst(alarms(*group, *single), behind)
    assert found.select("many", "alarm").rows() == [(12, "p11"), *((1, f"q{n}") for n in range(5))]
    assert len(queries.waiting_ids(alarms(*group), {"gateway": "gateway-07", "rule": "silence"})) == 12


def test_only_unacknowledged_alarms_can_be_acknowledged_whatever_a_browser_sends() -> None:
    known = alarms(alarm("a", "unacknowledged", 1, 1), alarm("b", "acknowledged", 1, 1))
    assert queries.waiting_ids(known, {"alarms": ["a", "b", "made up", 7]}) == ["a"]
    assert queries.waiting_ids(known, {}) == []


def test_the_summary_counts_each_pump_once_by_its_worst_alarm_as_silent_only_without_one(fleet: Any) -> None:
    found = queries.summary(fleet(100))
    assert (found["high"], found["medium"], found["low"], found["silent"]) == (4, 4, 3, 2)
    assert found["normal"] == 100 - 11 - 2
    alarmed = fleet(100).pumps.with_columns(silent=pl.col("priority") > 0)
    found = queries.summary(dataclasses.replace(fleet(100), table=PumpTable.of(alarmed)))
    assert found["silent"] == 0
    assert sum(found[name] for name in ("high", "medium", "low", "silent", "normal")) == 100
    assert queries.summary(empty())["oldest_s"] is None


def test_dose_is_flow_times_concentration_over_a_day() -> None:
    assert queries.dose_ug_day(8.0, 2000.0) == pytest.approx(384.0)
    assert queries.dose_ug_day(None, 2000.0) is None


@pytest.mark.parametrize(
    ("text", "serials", "unknown"),
    [
        ("3,7-9", [3, 7, 8, 9], ()),
        ("3, 7 - 9", [3, 7, 8, 9], ()),
        ("ITB-000002 1", [1, 2], ()),
        ("", [], ()),
        ("nonsense 4", [4], ("nonsense",)),
        ("999", [], ("999",)),
    ],
)
def test_pumps_are_selected_by_serial_or_by_its_final_digits(
    text: str, serials: list[int], unknown: tuple[str, ...], fleet: Any
) -> None:
    found = pump_search.choose(fleet(20).table, text)
    assert found.pumps["pump"].to_list() == [f"ITB-{number:06d}" for number in serials]
    assert found.unknown == unknown


def test_the_form_shows_which_pumps_are_selected(fleet: Any) -> None:
    pumps = fleet(20).table
    assert (
        pump_search.describe(pump_search.choose(pumps, "1-5"))
        == "5 pumps: ITB-000001, ITB-000002, ITB-000003 and 2 more"
    )
    assert pump_search.describe(pump_search.choose(pumps, "x")).startswith("Unknown: x.")


def test_a_long_table_gets_the_rows_it_requests_and_is_sorted_by_known_columns_only(fleet: Any) -> None:
    request = {"startRow": 10, "endRow": 1_000_000, "sortModel": [{"colId": "pump", "sort": "desc"}, {"colId": "evil"}]}
    found = pump_search.page(fleet(1000).table, request, "itb-0000", {})
    rows, total = found.rows, found.total
    assert (rows.height, total) == (89, 99)
    assert rows["pump"][0] == "ITB-000089"


def test_the_pump_list_sorted_by_state_starts_with_the_worst_alarms_then_silent_pumps(fleet: Any) -> None:
    asked = [{"colId": "priority", "sort": "asc"}]
    rows = pump_search.page(fleet(100, alarms=7).table, {"endRow": 12, "sortModel": asked}, "", {}).rows
    assert rows["priority"].to_list() == [1, 1, 1, 2, 2, 3, 3, 0, 0, 0, 0, 0]
    assert rows["silent"].to_list() == [False] * 7 + [True] * 2 + [False] * 3


def test_any_order_and_search_of_the_pump_list_equals_sorting_the_whole_table(fleet: Any) -> None:
    chance = np.random.default_rng(5)
    whole = fleet(500, alarms=40).pumps.sample(fraction=1.0, shuffle=True, seed=2)
    some = pl.Series(chance.random(500) < 0.2)
    values = pl.Series(chance.integers(0, 9, 500)).cast(pl.Float32)
    whole = whole.with_columns(
        pl.when(~some).then(values).alias("battery_v"), pl.when(~some).then(pl.col("site")).alias("site")
    )
    table, urgency = (
        PumpTable.of(whole),
        pl.when(pl.col("priority") > 0).then("priority").otherwise(5 - pl.col("silent")),
    )
    for sorting in (["battery_v"], ["site", "battery_v"], ["priority", "battery_v"], ["pump"], ["priority"], []):
        for down in ("asc", "desc"):
            request = {"endRow": 200, "sortModel": [{"colId": name, "sort": down} for name in sorting]}
            for text in ("", "00013", "gateway-00"):
                keys = [urgency if name == "priority" else pl.col(name) for name in sorting or ["pump"]]
                found = whole.filter(pl.col("pump").str.contains(text) | (pl.col("gateway") == text))
                in_order = found if sorting and sorting != ["priority"] else found.sort("pump")
                expected = in_order.sort(
                    keys, descending=bool(sorting) and down == "desc", nulls_last=True, maintain_order=True
                )
                page = pump_search.page(table, request, text, {})
                assert (page.rows["pump"].to_list(), page.total) == (expected["pump"].head(200).to_list(), found.height)


def test_the_members_of_cohorts_that_alarms_are_about_are_those_of_the_contract(fleet: Any) -> None:
    whole = fleet(3000).pumps.with_columns(pl.when(pl.col("seq") % 3 > 0).then(pl.lit("B07")).alias("lot"))
    every = members_of(whole.select("pump", "model", "lot", "gateway"))
    for about in (["lot B07", "gateway-02", "ITB-000003"], ["fleet", "model B", "nothing"], []):
        found = facts_index(PumpTable.of(whole).facts).members(pl.Series(about, dtype=pl.String))
        expected = every.filter(pl.col("cohort").is_in(about))
        assert found.sort("cohort", "pump").equals(expected.sort("cohort", "pump"))


def test_values_that_are_older_than_the_alarms_are_said_to_be(fleet: Any) -> None:
    snapshot = fleet(3)
    assert queries.lag_note(snapshot) == ""
    table = dataclasses.replace(snapshot.table, values_at=snapshot.health.written - 4_200)
    lagging = dataclasses.replace(snapshot, table=table)
    assert pumps.answer(lagging, {}, "")[1] == "3 pumps: 1 high, 2 normal; values 4 s older than alarms"
    assert "Values 4 s older than alarms." in str(pump.render(lagging, "ITB-000001")[1])


def test_a_query_is_answered_once_for_all_who_ask_about_the_same(fleet: Any) -> None:
    asked: list[Any] = []
    query = remembered(lambda snapshot: asked.append(snapshot) or len(asked))
    first, second = fleet(1), fleet(1)
    assert [query(one) for one in (first, first, second, second, first)] == [1, 1, 2, 2, 3]


def test_a_curve_is_downsampled_with_its_extremes_and_gaps(samples_of: Any) -> None:
    samples = samples_of("p", 10_000)
    spike = samples.with_columns(
        pl.when(pl.col("seq") == 5000).then(99.0).otherwise("flow_ul_h").cast(pl.Float32).alias("flow_ul_h")
    )
    holed = spike.filter(~pl.col("seq").is_between(2000, 3000))
    curve = trends.curves(holed)["flow_ul_h"]
    assert curve.time.size <= trends.MAX_POINTS + 2
    assert np.nanmax(curve.value) == 99.0
    assert np.isnan(curve.value).sum() == 1


def test_missing_values_interrupt_the_line_of_their_signal_only(samples_of: Any) -> None:
    samples = samples_of("p", 100).with_columns(
        pl.when(pl.col("seq").is_between(40, 60)).then(None).otherwise("battery_v").alias("battery_v")
    )
    found = trends.curves(samples)
    assert np.isnan(found["battery_v"].value).sum() == 1
    assert not np.isnan(found["flow_ul_h"].value).any()


def test_the_time_since_the_last_sample_is_a_gap(samples_of: Any) -> None:
    samples = samples_of("p", 60, until_ms=THERAPY_MS - 1_800_000)
    assert trends.gaps(samples, 0, THERAPY_MS) == [(THERAPY_MS - 1_800_000, THERAPY_MS)]
    assert trends.gaps(empty_samples(), 5, 9) == [(5, 9)]


def test_the_axis_of_a_steady_signal_makes_its_noise_look_small() -> None:
    noise = trends.Curve(np.arange(3.0), np.array([2.98, 3.0, 2.99], np.float32))
    low, high = trends.limits(noise, 0.4, zero=False)
    assert high - low > 0.4
    assert trends.limits(trends.Curve(np.empty(0), np.empty(0, np.float32)), 2.0, zero=True) == pytest.approx(
        (-0.08, 2.12)
    )


def test_a_pump_is_in_alarm_from_onset_to_now_or_to_the_end_in_the_journal() -> None:
    known = alarms(alarm("open", "unacknowledged", 1, 50, title="No flow"))
    past = events(
        {"kind": "raised", "alarm": "over", "time": 10, "priority": 3, "title": "Low"},
        {"kind": "cleared", "alarm": "over", "time": 20, "priority": 3, "title": "Low"},
        {"kind": "raised", "alarm": "open", "time": 50, "priority": 1, "title": "No flow"},
    )
    found = trends.spans(known, past, 99).select("title", "start", "end").rows()
    assert found == [("Low", 10, 20), ("No flow", 50, 99)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_shows_every_signal_over_one_time_axis(scheme: str, samples_of: Any) -> None:
    samples = samples_of("p", 500)
    past = trends.Past(trends.curves(samples), trends.spans(alarms(), events(), 0), [], (0, THERAPY_MS))
    drawn = figures.trends(past, theme.scheme(scheme), revision="p 1 h")
    measured = [trace for trace in drawn["data"] if "fill" not in trace and trace.get("line", {}).get("width") != 0]
    assert len(measured) == len(SIGNAL_NAMES)
    assert {trace.get("xaxis", "x") for trace in drawn["data"]} == {"x"}
    assert drawn["layout"]["uirevision"] == "p 1 h"


def test_both_schemes_have_the_same_css_variables() -> None:
    css = theme.css()
    for name in ("--ground", "--medium-fill", "--on-high", "--commanded"):
        assert css.count(f"{name}:") == 2
    assert theme.scheme("nonsense") is theme.LIGHT


def test_the_pump_list_finds_lots_models_and_gateways_by_the_names_in_their_alarms(fleet: Any) -> None:
    lots = pl.when(pl.col("pump").str.ends_with("3")).then(pl.lit("B07")).otherwise(pl.lit("A01"))
    pumps = fleet(20).pumps.with_columns(lots.alias("lot"))
    found = {
        text: pump_search.page(PumpTable.of(pumps), {}, text, {}).total
        for text in ("lot B07", "b07", "model B", "gateway-00")
    }
    assert found == {"lot B07": 2, "b07": 2, "model B": 20, "gateway-00": 20}


def test_the_pump_list_finds_pumps_by_state_and_by_the_title_of_their_worst_alarm(fleet: Any) -> None:
    table = fleet(100, alarms=7).table
    titles = {"motor_stalled": "Motor stalled", "pump_silent": "Pump silent"}
    found = {
        text: pump_search.page(table, {}, text, titles).total for text in ("high", "Medium", "low", "silent", "normal")
    }
    assert found == {"high": 3, "Medium": 2, "low": 2, "silent": 2, "normal": 91}
    worst = table.marks["worst"][0]
    assert (
        pump_search.page(table, {}, "stalled", {worst: "Motor stall"}).total
        == table.marks.filter(pl.col("worst") == worst).height
    )


def test_pumps_come_in_the_order_in_which_people_count(fleet: Any) -> None:
    serials = ["MY-10", "MY-2", "ITB-000250", "ITB-000001", "MY-1", "ward"]
    pumps = fleet(6, alarms=0).pumps.with_columns(pl.Series("pump", serials), silent=pl.lit(value=False))
    rows = pump_search.page(PumpTable.of(pumps), {}, "", {}).rows
    assert rows["pump"].to_list() == ["ITB-000001", "ITB-000250", "MY-1", "MY-2", "MY-10", "ward"]


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ({"subject": "lot B07", "subject_kind": "cohort"}, "/pumps?search=lot%20B07"),
        ({"subject": "gateway-00", "subject_kind": "gateway", "gateway": "gateway-00"}, "/pumps?search=gateway-00"),
        (
            {"subject": "ITB-000003", "subject_kind": "pump", "pump": "ITB-000003", "gateway": "gateway-00"},
            "/pump/ITB-000003",
        ),
        ({"subject": "fleet", "subject_kind": "fleet"}, None),
        ({"subject": "lot of a part", "subject_kind": "system"}, None),
    ],
)
def test_the_source_of_an_alarm_links_to_its_pumps(source: dict[str, str], link: str | None) -> None:
    component = elements.subject({"pump": None, "gateway": None, **source})
    assert getattr(component, "href", None) == link
    assert link is None or "search" not in link or parse_qs(link.partition("?")[2])["search"] == [source["subject"]]
