"""Numbers on pages make sense: no sign without a value, no more digits than sensible, never without their unit."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.evidence import Evidence
from broker.contract.signals import SIGNAL_BY_NAME, SIGNAL_NAMES
from broker.store.pump_table import BANDS, PUMPS_SCHEMA, band
from dashboard import formatting
from dashboard.components import evidence_panel, forecast_panel, pump_summary
from dashboard.data import forecasts

ANY = st.one_of(st.none(), st.floats(width=32))
BAND = st.one_of(
    st.just((None, None, None)),
    st.lists(st.one_of(st.floats(-100, 1e5, width=32), st.just(math.inf)), min_size=3, max_size=3).map(sorted),
)
"""A forecast (low, mid, high): unknown, or in order and perhaps never."""
NUMBER = re.compile(r"-?[\d,]*\.?\d+")
NEW = "this pump has been known for only 4 h"
UNITS = {signal.unit for signal in SIGNAL_BY_NAME.values()} | {"h", "d", "y", "%", "µg/day", "µg/mL", "mL", "s", "min"}


def sensible(text: str) -> bool:
    """Return whether no number in a text has a sign without a value, or more digits than a person reads."""
    numbers = NUMBER.findall(text)
    signless = not any(number.startswith("-") and not re.search("[1-9]", number) for number in numbers)
    return signless and all(len(re.sub(r"\D", "", number.partition(".")[2])) <= 6 for number in numbers)


@settings(max_examples=60, deadline=None)
@given(signal=st.sampled_from(SIGNAL_NAMES), value=ANY)
def test_a_reading_has_its_unit_its_decimals_and_no_sign_of_nothing(signal: str, value: float | None) -> None:
    text = formatting.reading(signal, value)
    if text != formatting.UNKNOWN:
        assert text.endswith(f" {SIGNAL_BY_NAME[signal].unit}")
    assert sensible(text)


@settings(max_examples=60, deadline=None)
@given(value=st.floats(width=32), digits=st.integers(1, 4))
def test_significant_digits_are_no_more_than_asked_for(value: float, digits: int) -> None:
    text = formatting.significant(value, digits)
    assert sensible(text)
    if text != formatting.UNKNOWN and abs(value) < 10**digits:
        shown = re.sub(r"\D", "", text).lstrip("0")
        assert len(shown) <= digits + 1, text


@settings(max_examples=40, deadline=None)
@given(bands=st.lists(BAND, min_size=len(BANDS), max_size=len(BANDS)), flow=ANY, level=ANY)
def test_no_forecast_shows_a_nonsensical_number(bands: list[Any], flow: Any, level: Any) -> None:
    row = {**dict.fromkeys(PUMPS_SCHEMA), "speed": 60.0}
    for name, values in zip(BANDS, bands, strict=True):
        row |= dict(zip(band(name), values, strict=True))
    row |= {"flow_ul_h": flow, "commanded_ul_h": 8.0, "reservoir_ml": level}
    for name in ("low_d", "empty_d"):
        text = forecast_panel.reservoir_text(row, name)
        assert sensible(text)
        assert "nan" not in text
        assert "inf" not in text
        assert not NUMBER.search(text) or any(text.split()[at] in UNITS for at in range(1, len(text.split())))
    assert sensible(str(forecast_panel.card(row)))
    assert "nan" not in str(forecast_panel.card(row))
    assert sensible(str(pump_summary.values({**row, "age_s": 30.0})))


def test_a_flow_below_what_the_sensor_can_tell_is_zero() -> None:
    assert formatting.reading("flow_ul_h", -0.05) == "0.00 µL/h"
    assert formatting.reading("flow_ul_h", 0.13) == "0.00 µL/h"
    assert formatting.reading("flow_ul_h", 2.0) == "2.00 µL/h"


def occluded(**columns: Any) -> dict[str, Any]:
    bands = {column: 17.8 * 365.25 for name in BANDS for column in band(name)}
    return {**bands, "flow_ul_h": 0.01, "commanded_ul_h": 8.0, "reservoir_ml": 12.0, **columns}


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({}, "no flow, no forecast"),
        ({"reservoir_ml": 1.3}, "low now"),
        ({"flow_ul_h": 8.0, "eos_d_mid": 5 * 365.0}, "after end of service"),
        ({"eos_d_mid": 0.0}, "service ended, no forecast"),
        ({"flow_ul_h": 8.0, "eos_d_mid": math.inf}, ""),
    ],
)
def test_a_forecast_that_a_present_fault_makes_meaningless_says_so(columns: dict[str, Any], text: str) -> None:
    assert forecasts.instead(occluded(**columns), "low_d") == text


def evidence(**fields: Any) -> Evidence:
    doubts = ["only just above the limit", NEW]
    known = {"summary": "", "time": 1, "window_s": 60.0, "score": 1.06, "above_s": 300.0, "confidence": "low"}
    return Evidence(**{**known, "doubts": doubts, "known_h": 4.0, "learns_h": 6.0, **fields})


@pytest.mark.parametrize(
    ("score", "age_h", "line"),
    [
        (1.06, 0.5, f"Confidence: low (only just above the limit, {NEW})"),
        (
            1.9,
            0.5,
            f"Confidence: medium ({NEW}); when raised low (only just above the limit, {NEW})",
        ),
        (
            52.0,
            31.0,
            f"Confidence: high; when raised low (only just above the limit, {NEW})",
        ),
    ],
)
def test_the_confidence_follows_the_evidence(score: float, age_h: float, line: str) -> None:
    row = {"score": score, "score_now": score, "age_s": age_h * 3600, "subject_kind": "pump", "speed": 1.0}
    assert evidence_panel.reliability(evidence(), row, evidence_panel.WALL)[-1] == line


@pytest.mark.parametrize(
    ("service_d", "text"),
    [(1000.0, ""), (3.0, "after end of service"), (0.0, "service ended, no forecast"), (None, "")],
)
def test_no_refill_is_due_after_the_end_of_service(service_d: float | None, text: str) -> None:
    row = {"refill_due": 10 * forecasts.DAY_MS, "eos_d_mid": service_d}
    assert forecasts.refill_instead(row, 0) == text
