"""Time to respond of an alarm as people read it, worded so that it cannot be misread."""

from __future__ import annotations

import polars as pl
import pytest

from broker.store.pump_table import band
from processor.alarms.states import SUPPRESSED
from processor.view.snapshot_tables import chain_of, marks_frame, time_to_respond, until_harm_s

INF = float("inf")


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        ((-3.0, -2.0, -1.0), "probably under-dosed: bridge now"),
        ((-3.0, -1.0, 1.2), "probably under-dosed already, at the latest in 2 h"),
        ((-3.0, -1.0, 2828.0), "probably under-dosed already"),
        ((-3.0, -1.0, INF), "probably under-dosed already"),
        ((0.4, 1.0, 3.0), "under-dosed in about 60 min (0 to 3 h)"),
        ((4.0, 9.0, 20.0), "under-dosed in about 9 h (4 to 20 h)"),
        ((4.0, 9.0, 700.0), "under-dosed in about 9 h (4 h or later)"),
        ((4.0, 9.0, None), "under-dosed in about 9 h (4 h or later)"),
        ((4.0, 90.0, 700.0), "more than a day until under-dosed, if nothing changes"),
        ((None, None, None), "under-dosed in about 4 h"),
    ],
)
def test_the_time_until_harm_is_shown_with_its_range(hours, text):
    assert shown(hours) == text


def test_an_alarm_that_returned_to_normal_has_no_time_to_respond():
    assert shown((-3.0, -1.0, 1.2), returned=1) == "returned to normal"


def test_a_rule_without_harm_shows_its_own_time_to_respond():
    assert shown((4.0, 9.0, 20.0), harm_after_h=None) == "days"


@pytest.mark.parametrize(
    ("hours", "harm_after_h", "returned", "seconds"),
    [
        ((4.0, 5.0, 7.0), 8.0, None, 18_000.0),
        ((-3.0, -1.0, 1.2), 8.0, None, 0.0),
        ((None, None, None), 8.0, None, 7 * 3600.0),
        ((4.0, 5.0, 7.0), None, None, None),
        ((4.0, 5.0, 7.0), 8.0, 1, None),
    ],
)
def test_the_seconds_until_harm_are_those_of_the_text(hours, harm_after_h, returned, seconds):
    alarms = alarm_frame(hours, harm_after_h=harm_after_h, returned=returned)
    assert alarms.select(until_harm_s()).item() == seconds


@pytest.mark.parametrize(
    ("state", "waits"), [("unacknowledged", 1), ("returned", 1), ("acknowledged", 0), ("latched", 0), ("shelved", 0)]
)
def test_a_pump_looks_acknowledged_only_when_nobody_is_asked_to_acknowledge(state, waits):
    alarm = {"state": state, "priority": 1, "onset": 0, "rule": "motor_stalled"}
    marks = marks_frame(pl.DataFrame([alarm]), pl.Series([7], dtype=pl.UInt32))
    assert marks.select("row", "unacknowledged").row(0) == (7, waits)


def shown(hours, *, harm_after_h: float | None = 5.0, returned: int | None = None) -> str:
    return alarm_frame(hours, harm_after_h=harm_after_h, returned=returned).select(time_to_respond()).item()


def alarm_frame(hours, *, harm_after_h: float | None, returned: int | None) -> pl.DataFrame:
    alarm = {"harm_after_h": harm_after_h, "returned": returned, "age_s": 3600.0, "time_to_respond": "days"}
    schema = {"harm_after_h": pl.Float64, "returned": pl.Int64, "age_s": pl.Float32, "time_to_respond": pl.String}
    forecast = dict(zip(band("under_dosed_h"), hours, strict=True))
    return pl.DataFrame([{**alarm, **forecast}], {**schema, **dict.fromkeys(forecast, pl.Float32)})


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_alarms_that_began_together_the_cause_was_first_whatever_the_order_of_rows(order):
    stall = {"alarm": "stall", "rule": "motor_stall", "title": "Motor stall", "state": "unacknowledged"}
    under = {"alarm": "under", "rule": "under_delivery", "title": "Under-delivery", "state": SUPPRESSED}
    drift = {"alarm": "drift", "rule": "delivery_shift", "title": "Delivery drifting low", "state": SUPPRESSED}
    both = {"root": "stall", "pump": 0, "onset": 5, "raised": 9, "priority": 1}
    rows = pl.DataFrame([alarm | both for alarm in (stall, under, drift)])[order]
    assert chain_of(rows)["first_out"].to_list() == ["Motor stall"]
    earlier = rows.with_columns(onset=pl.when(rule="under_delivery").then(4).otherwise("onset"))
    assert chain_of(earlier)["first_out"].to_list() == ["Under-delivery"]
