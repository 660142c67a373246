"""Forecasts say what can be known: nothing about a reservoir that is not pumped, nothing beyond a pump's service."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dashboard.components import forecast_panel


def row(
    low: tuple[float, float, float], service: tuple[float, float, float] | None, flow: float = 8.0
) -> dict[str, Any]:
    names = [f"{name}_{edge}" for name in ("low_d", "eos_d") for edge in ("low", "mid", "high")]
    values = [*low, *(service or (None, None, None))]
    return {**dict(zip(names, values, strict=True)), "flow_ul_h": flow, "commanded_ul_h": 8.0}


def test_a_reservoir_shows_its_days_with_their_interval() -> None:
    assert (
        forecast_panel.reservoir_text(row((38.0, 41.0, 44.0), (1400.0, 1461.0, 1500.0)), "low_d") == "41 d (38 to 44 d)"
    )


def test_an_occluded_pump_has_no_forecast_of_its_reservoir() -> None:
    years = 17.8 * 365.25
    shown = forecast_panel.reservoir_text(row((years, years, years), (1400.0, 1461.0, 1500.0), flow=0.01), "low_d")
    assert shown == "no flow, no forecast"


def test_a_reservoir_that_outlasts_the_pump_says_so() -> None:
    assert forecast_panel.reservoir_text(row((1400.0, 2200.0, 3000.0), (1400.0, 1461.0, 1500.0)), "low_d") == (
        "after end of service"
    )


def test_no_interval_goes_beyond_the_end_of_service() -> None:
    assert forecast_panel.reservoir_text(row((20.0, 41.0, 900.0), (40.0, 45.0, 50.0)), "low_d") == "41 d (20 to 50 d)"


@pytest.mark.parametrize(("low", "text"), [((math.inf,) * 3, "not expected"), ((0.0,) * 3, "now")])
def test_never_and_now_are_words(low: tuple[float, float, float], text: str) -> None:
    assert forecast_panel.reservoir_text(row(low, None), "low_d") == text
