"""Trends besides a pump's own curves: zoom, events, forecast ahead, comparison, export."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from broker.contract.signals import SIGNAL_NAMES
from broker.store import journal_query
from broker.store.history import History
from broker.store.journal import EVENTS_SCHEMA
from broker.store.pump_table import BANDS, band
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import trend_card, trend_picture
from dashboard.data import retirement, trend_ahead, trend_compare, trend_events, trend_export, trend_view
from dashboard.data.trend_compare import Comparisons

NOW = 1_768_221_120_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def operator() -> Iterator[None]:
    token = VISITOR.set(Visitor("maria", "operator"))
    yield
    VISITOR.reset(token)


def view_of(data: Any, zoom: str = "", chosen: str = "6 h") -> trend_view.View:
    return trend_view.view(data.snapshot(), "ITB-000002", chosen, None, zoom)


def test_a_zoom_into_a_quarter_draws_the_samples_that_a_wide_range_left_out(
    fleet: Any, data_of: Any, samples_of: Any
) -> None:
    data = data_of(fleet(3))
    History(data.settings.data).append(samples_of("ITB-000002", 30 * 1440), 1)
    wide = view_of(data, chosen="30 d")
    near = view_of(data, trend_view.zoomed(NOW - 5 * HOUR_MS, NOW - 3 * HOUR_MS, "30 d"), "30 d")

    def times(view: trend_view.View) -> list[str]:
        figure, _, detail = trend_picture.draw(data, view, "light")
        details.append(detail)
        return next(trace for trace in figure["data"] if trace.get("name") == "Motor flow")["x"]

    details: list[str] = []
    inside = [time for time in times(wide) if "2026-01-12T07:32" <= time < "2026-01-12T09:32"]
    assert len(inside) < 12, "a few of the month's"
    assert len(times(near)) > 100, "a sample a minute"
    assert details == ["hourly minimum and maximum", "121 samples"]


@pytest.mark.parametrize(
    ("text", "window"),
    [
        (f"{NOW - HOUR_MS}_{NOW}_6h", (NOW - HOUR_MS, NOW)),
        (f"{NOW - HOUR_MS}_{NOW}_24h", None),
        (f"{NOW}_{NOW - HOUR_MS}_6h", None),
        (f"{NOW - 1000}_{NOW}_6h", None),
        (f"0_{NOW}_6h", None),
        ("<script>", None),
        (None, None),
        (7, None),
    ],
)
def test_a_zoom_from_an_address_is_taken_only_within_bounds(text: Any, window: Any) -> None:
    assert trend_view.zoom_of(text, "6 h") == window


@pytest.mark.parametrize(
    ("move", "begin", "end"), [("in", 1.5, 4.5), ("out", -3, 9), ("earlier", -3, 3), ("later", 3, 9)]
)
def test_buttons_zoom_and_pan_for_those_without_a_mouse(
    move: str, begin: float, end: float, fleet: Any, data_of: Any
) -> None:
    shown = view_of(data_of(fleet(3)))
    moved = trend_view.zoom_of(trend_view.moved(shown, move), "6 h")
    assert moved == (shown.since + begin * HOUR_MS, shown.since + end * HOUR_MS)


def journal(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(EVENTS_SCHEMA), **row} for row in rows], EVENTS_SCHEMA)


def test_events_are_on_the_axis_each_once_with_what_they_were(samples_of: Any) -> None:
    flags = np.zeros(60, np.int64)
    flags[20:25], flags[50:] = 64, 256
    samples = samples_of("A", 60, until_ms=NOW).with_columns(pl.Series("flags", flags))
    events = journal(
        {"time": NOW - 40 * 60_000, "kind": "done", "title": "refill on gateway-00", "text": "40 mL"},
        {"time": NOW - 30 * 60_000, "kind": "done", "title": "inject on gateway-00", "text": "motor_stall"},
        {"time": NOW - 20 * 60_000, "kind": "raised", "title": "Motor stall", "rule": "motor_stall", "priority": 1},
        {"time": NOW - 5 * 60_000, "kind": "returned", "title": "Motor stall", "rule": "motor_stall", "priority": 1},
        {"time": NOW - 5 * HOUR_MS, "kind": "raised", "title": "Too early", "rule": "x", "priority": 1},
    )
    gaps = [(NOW - 15 * 60_000, NOW - 12 * 60_000)]
    found = trend_events.marks(samples, events, gaps, (NOW - HOUR_MS, NOW), {"motor_stall"}).shown
    assert [mark.text for mark in found] == [
        "refill: 40 mL",
        "fault found: Motor stall",
        "no samples from here on",
        "program change, recorded by the pump",
        "returned to normal: Motor stall",
    ]


def test_of_too_many_events_the_newest_are_shown_and_the_others_counted(samples_of: Any) -> None:
    events = journal(*({"time": NOW - at, "kind": "raised", "title": "T", "rule": "r"} for at in range(250)))
    found = trend_events.marks(samples_of("A", 1), events, [], (NOW - HOUR_MS, NOW))
    assert (len(found.shown), found.left_out) == (trend_events.MAX_MARKS, 50)


def forecast(**columns: Any) -> dict[str, Any]:
    known = {column: math.inf for name in BANDS for column in band(name)}
    known |= dict(zip(band("low_d"), (8.0, 10.0, 12.0), strict=True))
    known |= dict(zip(band("eos_d"), (900.0, 1000.0, 1100.0), strict=True))
    return {**known, "silent": False, "flow_ul_h": 8.0, "commanded_ul_h": 8.0, "reservoir_ml": 12.0, **columns}


def test_the_reservoir_falls_ahead_within_its_band_to_its_low_level() -> None:
    fan = trend_ahead.ahead(forecast(), NOW, NOW + 20 * DAY_MS).fan
    assert fan is not None
    assert (fan.mid[0], fan.mid[-1]) == (12.0, 2.0)
    assert (fan.low <= fan.mid).all()
    assert (fan.mid <= fan.high).all()


def test_no_band_goes_beyond_the_end_of_service() -> None:
    ends = dict(zip(band("eos_d"), (2.0, 5.0, 6.0), strict=True))
    found = trend_ahead.ahead(forecast(**ends, low_d_mid=4.0, low_d_low=3.0), NOW, NOW + 20 * DAY_MS)
    assert found.fan is not None
    assert found.fan.time[-1] == NOW + 5 * DAY_MS
    assert [(one.title, one.start) for one in found.coming] == [("end of service", NOW + 2 * DAY_MS)]


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        ({"flow_ul_h": 0.0}, "reservoir: no flow, no forecast"),
        ({"reservoir_ml": 1.0}, "reservoir: low now"),
        ({"silent": True}, ""),
        ({"low_d_mid": None}, ""),
    ],
)
def test_a_forecast_that_makes_no_sense_is_absent_and_the_chart_says_why(columns: dict[str, Any], note: str) -> None:
    found = trend_ahead.ahead(forecast(**columns), NOW, NOW + 20 * DAY_MS)
    assert (found.fan, found.note) == (None, note)


def with_history(data: Any, samples_of: Any, pumps: int) -> None:
    for number in range(1, pumps + 1):
        samples = samples_of(f"ITB-{number:06d}", 120).with_columns(
            pl.lit(float(number), pl.Float32).alias("flow_ul_h")
        )
        History(data.settings.data).append(samples, number)


def test_a_pump_is_compared_with_median_and_band_of_its_model(fleet: Any, data_of: Any, samples_of: Any) -> None:
    data = data_of(fleet(12))
    with_history(data, samples_of, 12)
    comparisons = Comparisons(data.settings.data, data.trend)
    found = comparisons.of(data.snapshot(), "ITB-000001", "cohort", (NOW - 2 * HOUR_MS, NOW), 120)
    assert found.name == "model B: median and 5–95 % of 11 pumps"
    assert set(found.lines["flow_ul_h"].value) == {7.0}
    assert found.low["flow_ul_h"].value[0] == pytest.approx(2.5)
    assert found.high["flow_ul_h"].value[0] == pytest.approx(11.5)
    assert comparisons.of(data.snapshot(), "ITB-000001", "cohort", (NOW - 2 * HOUR_MS, NOW), 120) is found, "kept"


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ("cohort", "other pumps of model B with samples: 2; at least 5 are needed"),
        ("ITB-000001", "this is the pump itself; enter another serial"),
        ("nobody", "no pump nobody; enter a serial as in the list of pumps"),
    ],
)
def test_what_cannot_be_compared_is_said(chosen: str, problem: str, fleet: Any, data_of: Any, samples_of: Any) -> None:
    data = data_of(fleet(3))
    with_history(data, samples_of, 3)
    comparisons = Comparisons(data.settings.data, data.trend)
    assert comparisons.of(data.snapshot(), "ITB-000001", chosen, (NOW - HOUR_MS, NOW), 9).problem == problem
    other = comparisons.of(data.snapshot(), "ITB-000001", "ITB-000003", (NOW - HOUR_MS, NOW), 9)
    assert (other.name, other.lines["flow_ul_h"].value[0]) == ("ITB-000003", 3.0)


def test_far_neighbours_are_not_read_for_a_cohort(fleet: Any) -> None:
    found = trend_compare.members(fleet(500), "ITB-000250")
    assert len(found) == trend_compare.MAX_MEMBERS
    assert (found[0], found[-1]) == ("ITB-000220", "ITB-000280")


@pytest.mark.usefixtures("operator")
async def test_an_export_has_the_samples_that_are_seen_and_is_in_the_audit_trail(
    fleet: Any, data_of: Any, samples_of: Any
) -> None:
    data = data_of(fleet(3))
    History(data.settings.data).append(samples_of("ITB-000002", 1440), 1)
    view = view_of(data, f"{NOW - HOUR_MS}_{NOW}_6h")
    file, _, notices = await trend_card.exported(data, view, "csv")
    lines = file["content"].splitlines()
    assert lines[0] == "time,seq,flags," + ",".join(SIGNAL_NAMES)
    assert lines[1].startswith("2026-01-12T11:32:00.000Z,")
    assert (len(lines), file["filename"]) == (62, "ITB-000002-20260112T113200Z.csv")
    assert notices[0]["message"].startswith(
        "Exported as CSV, rows: 61, every sample, therapy time 2026-01-12T11:32:00Z"
    )
    parquet, _, _ = await trend_card.exported(data, view, "parquet")
    table = pl.read_parquet(io.BytesIO(base64.b64decode(parquet["content"])))
    assert (table.height, table.schema["time"]) == (61, pl.Datetime("ms", "UTC"))
    _, picture, _ = await trend_card.exported(data, view, "png")
    assert picture["name"].endswith(".png")
    assert picture["title"] == "ITB-000002, therapy time, UTC"
    entries = journal_query.entries(data.settings.data, journal_query.Query(kinds=("exported",)))
    assert entries["who"].to_list() == ["maria"] * 3
    assert entries["text"][-1].startswith("trends of ITB-000002, as CSV, rows: 61")


def test_an_export_of_too_many_samples_is_by_the_hour_and_says_so(samples_of: Any) -> None:
    found = trend_export.export(samples_of("=A/../b", 60_000), "=A/../b", NOW - 60_000 * 60_000, NOW, "csv")
    assert "minimum, maximum, mean and last value of each hour" in found.words
    assert found.file["filename"] == "A-b-20251201T203200Z.csv"
    assert len(found.file["content"].splitlines()) <= 1002


def test_a_pump_that_nobody_announced_has_no_empty_charts(fleet: Any) -> None:
    assert not retirement.is_known(fleet(3), "NOPE")
    assert retirement.is_known(fleet(3), "ITB-000002")


def test_the_battery_falls_ahead_along_its_discharge_curve_and_not_beyond_the_end_of_service() -> None:
    bands = {"eri_d": (80.0, 100.0, 140.0), "eos_d": (170.0, 190.0, 230.0)}
    columns = {name: value for key, days in bands.items() for name, value in zip(band(key), days, strict=True)}
    row = forecast(battery_v=3.4, motor_ma=0.0, **columns)
    fan = trend_ahead.ahead(row, NOW, NOW + 365 * DAY_MS).battery
    assert fan is not None
    assert fan.mid[0] == pytest.approx(3.4, abs=0.01), "it goes on from the measured voltage"
    assert fan.low[8] < fan.mid[8] < fan.high[8]
    assert (np.diff(fan.mid) <= 0).all()
    assert fan.time[-1] <= NOW + 190 * DAY_MS
    assert trend_ahead.ahead({**row, "battery_v": None}, NOW, NOW + DAY_MS).battery is None, "unknown voltage"
