"""A pump's chart goes by that pump's clock, and an empty one says why and leads to the latest data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from broker.store.history import History
from broker.store.snapshot import Snapshot
from dashboard.components import trend_picture
from dashboard.data import queries, trend_view
from dashboard.zones import ZONE

HOUR_MS = 3_600_000
REAL_MS = int(datetime(2026, 11, 20, 14, 2, tzinfo=UTC).timestamp() * 1000)
"""Where the clock of a pump in real time stands; the simulated fleet plays 12 January."""


def beside_the_fleet(fleet: Any, *, time: int | None = REAL_MS, age_s: float | None = 30.0) -> Snapshot:
    """Return a simulated fleet at speed 60 with ITB-000002 at real time, ten months ahead of the fleet."""
    snapshot = fleet(3)
    other = pl.col("pump") == "ITB-000002"
    moved = snapshot.pumps.with_columns(
        pl.when(other).then(pl.lit(value, snapshot.pumps[name].dtype)).otherwise(name).alias(name)
        for name, value in (("time", time), ("age_s", age_s))
    )
    return Snapshot.of(moved, snapshot.alarms, snapshot.gateways, snapshot.health)


def chart(data: Any, chosen: str = "6 h", end: str | None = None) -> tuple[dict[str, Any], Any]:
    figure, note, _ = trend_picture.draw(data, trend_view.view(data.snapshot(), "ITB-000002", chosen, end), "light")
    return figure, note


def motor(figure: dict[str, Any]) -> dict[str, Any]:
    return next(trace for trace in figure["data"] if trace.get("name") == "Motor flow")


@pytest.mark.parametrize("chosen", ["1 h", "24 h", "7 d"])
def test_the_chart_of_a_pump_at_real_time_beside_a_fast_fleet_shows_its_samples(
    chosen: str, fleet: Any, data_of: Any, samples_of: Any
) -> None:
    data = data_of(beside_the_fleet(fleet))
    History(data.settings.data).append(samples_of("ITB-000002", 60, until_ms=REAL_MS), 1)
    figure, note = chart(data, chosen)
    assert (note.text, note.offers_latest) == ("", False)
    assert motor(figure)["x"]
    assert figure["layout"]["xaxis"]["range"][1] == "2026-11-20T14:02:30.000"


def test_a_single_sample_is_a_dot_since_a_line_of_one_point_is_invisible(
    fleet: Any, data_of: Any, samples_of: Any
) -> None:
    data = data_of(beside_the_fleet(fleet))
    History(data.settings.data).append(samples_of("ITB-000002", 1, until_ms=REAL_MS), 1)
    drawn = motor(chart(data)[0])
    assert (drawn["x"], drawn["mode"]) == (["2026-11-20T14:02:00.000"], "lines+markers")


def test_every_time_of_a_chart_is_in_the_zone_of_the_viewer(fleet: Any, data_of: Any, samples_of: Any) -> None:
    data = data_of(beside_the_fleet(fleet))
    parts = [samples_of("ITB-000002", 20, until_ms=end) for end in (REAL_MS - 2 * HOUR_MS, REAL_MS)]
    History(data.settings.data).append(pl.concat(parts), 1)
    token = ZONE.set(ZoneInfo("America/New_York"))
    figure = chart(data)[0]
    ZONE.reset(token)
    assert motor(figure)["x"][-1] == "2026-11-20T09:02:00.000"
    assert figure["layout"]["xaxis"]["range"] == ["2026-11-20T03:02:30.000", "2026-11-20T09:02:30.000"]
    assert figure["layout"]["shapes"][0]["x0"] == "2026-11-20T07:02:00.000", "the gap in between"
    assert figure["layout"]["xaxis"]["hoverformat"] == "%d %b %Y %H:%M UTC−5"


def test_an_empty_chart_says_why_and_leads_to_the_latest_data(fleet: Any, data_of: Any, samples_of: Any) -> None:
    data = data_of(beside_the_fleet(fleet, age_s=5 * 86_400.0))
    History(data.settings.data).append(samples_of("ITB-000002", 60, until_ms=REAL_MS), 1)
    figure, note = chart(data, "24 h")
    assert motor(figure)["x"] == []
    assert note.text == "No samples in the last 24 h; the latest is from therapy 20 Nov 2026, 14:02 UTC."
    assert note.offers_latest
    figure, note = chart(data, "24 h", trend_view.LATEST)
    assert motor(figure)["x"]
    assert note.text == "Up to the latest sample, therapy 20 Nov 2026, 14:02 UTC."
    assert not note.offers_latest


def test_a_pump_without_samples_says_so_and_offers_nothing(fleet: Any, data_of: Any) -> None:
    _, note = chart(data_of(beside_the_fleet(fleet, time=None, age_s=None)), end=trend_view.LATEST)
    assert (note.text, note.offers_latest) == ("No samples of this pump yet.", False)


def test_samples_that_are_not_stored_are_not_called_absent(fleet: Any, data_of: Any) -> None:
    _, note = chart(data_of(beside_the_fleet(fleet)))
    assert note.text == "No samples are stored of the last 6 h; the latest is from therapy 20 Nov 2026, 14:02 UTC."


def test_samples_without_any_signal_are_named(fleet: Any, data_of: Any, samples_of: Any) -> None:
    data = data_of(beside_the_fleet(fleet))
    bare = samples_of("ITB-000002", 10, until_ms=REAL_MS)
    History(data.settings.data).append(
        bare.with_columns(pl.lit(None, pl.Float32).alias(n) for n in bare.columns[7:]), 1
    )
    assert chart(data)[1].text == "The samples of the last 6 h carry no signal."


@pytest.mark.parametrize("age_s", [None, float("nan"), float("inf"), -5.0])
def test_an_age_that_is_not_known_leaves_the_newest_sample_at_the_edge(age_s: float | None, fleet: Any) -> None:
    snapshot = beside_the_fleet(fleet, age_s=age_s)
    assert queries.therapy_now(snapshot, queries.pump_row(snapshot, "ITB-000002")) == REAL_MS


@pytest.mark.parametrize("chosen", ["1 h", "90 d"])
@pytest.mark.parametrize(("time", "age_s"), [(REAL_MS, 1e30), (2**62, 30.0), (1, 0.0)])
def test_a_chart_is_drawn_whatever_the_clock_says(
    chosen: str, time: int, age_s: float, fleet: Any, data_of: Any
) -> None:
    data = data_of(beside_the_fleet(fleet, time=time, age_s=age_s))
    for end in (trend_view.NOW, trend_view.LATEST):
        assert chart(data, chosen, end)[1].text
