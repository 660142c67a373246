"""What is due, by when, and on which clinic day."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from broker.store.snapshot import Snapshot
from dashboard.data import refill_days, refills
from dashboard.data.clinic_days import MAX_SITES, WEEKDAYS, ClinicDays, ClinicDaysError
from dashboard.data.refill_days import Choice, agenda, choice_of, details
from tests.dashboard.conftest import THERAPY_MS
from tests.dashboard.due import DAY_MS, due_fleet

TODAY = date(2026, 1, 12)
"""A Monday; it is 12:32 in therapy time."""


@pytest.fixture
def clinic(tmp_path: Path) -> ClinicDays:
    return ClinicDays(tmp_path)


def listed(snapshot: Snapshot, clinic: ClinicDays, **chosen: Any) -> list[dict[str, Any]]:
    choice = Choice(**chosen)
    return details(snapshot, agenda(snapshot, choice, clinic).shown(choice)).to_dicts()


def test_what_is_overdue_comes_first_then_the_next_date_then_what_has_no_date(clinic: ClinicDays) -> None:
    fleet = due_fleet([40.0, 9.0, -2.0, 3.0], refill_due=[None, *(THERAPY_MS + d * DAY_MS for d in (8, 0, 2))])
    rows = listed(fleet, clinic, span="365") + listed(fleet, clinic, span="undated")
    assert [row["pump"][-1] for row in rows] == ["3", "4", "2", "1"]
    assert [row["overdue"] for row in rows] == [True, False, False, False]


def test_a_pump_without_flow_has_no_date_but_a_reference_to_its_alarm(clinic: ClinicDays) -> None:
    fleet = due_fleet([20.0, 20.0], flow_ul_h=[0.1, 8.0], commanded_ul_h=[8.0, 8.0])
    [row] = listed(fleet, clinic, span="undated")
    assert (row["pump"], row["reason"], row["by"], row["day"]) == ("ITB-000001", "no flow", None, None)
    assert agenda(fleet, Choice(), clinic).counts["30"] == 1


def test_a_pump_without_flow_is_overdue_once_its_drug_is_too_old(clinic: ClinicDays) -> None:
    fleet = due_fleet([20.0], flow_ul_h=[0.0], commanded_ul_h=[8.0], drug_limit=[THERAPY_MS - 3 * DAY_MS])
    [row] = listed(fleet, clinic, span="overdue")
    assert (row["reason"], row["by_day"]) == ("drug", date(2026, 1, 9))


def test_a_refill_names_its_date_its_latest_safe_date_and_what_will_be_left(clinic: ClinicDays) -> None:
    [row] = listed(due_fleet([11.0]), clinic, span="30")
    assert (row["by_day"], row["latest_day"]) == (date(2026, 1, 22), date(2026, 1, 26)), "early end of low, of empty"
    assert row["left_ml"] == pytest.approx(9.0 - 10 * (9.0 - 1.4) / 15)
    assert (row["concentration_ug_ml"], row["reservoir_capacity_ml"], row["site"]) == (2000.0, 20.0, "Site 0")


def test_the_age_of_the_drug_decides_if_it_ends_before_the_reservoir_is_low(clinic: ClinicDays) -> None:
    limit = THERAPY_MS + 20 * DAY_MS
    [row] = listed(due_fleet([60.0], refill_due=[limit], drug_limit=[limit]), clinic, span="30")
    assert (row["reason"], row["latest_day"], row["middle"]) == ("drug", date(2026, 2, 1), None)


def test_without_a_recorded_refill_180_days_from_now_are_the_limit_and_said_to_be_so(clinic: ClinicDays) -> None:
    due = THERAPY_MS + 180 * DAY_MS
    [row] = listed(due_fleet([300.0], refill_due=[due], drug_limit=[None]), clinic, span="365")
    assert (row["reason"], row["by_day"]) == ("unrecorded", date(2026, 7, 11))


def test_a_pump_that_asks_for_replacement_is_due_now_until_its_service_ends(clinic: ClinicDays) -> None:
    asked = {f"eri_d_{edge}": [0.0] for edge in ("low", "mid", "high")}
    fleet = due_fleet([60.0], **asked, eos_d_low=[70.0])
    [row] = listed(fleet, clinic, kind="battery", span="overdue")
    assert (row["reason"], row["by_day"], row["latest_day"]) == ("ERI", TODAY, date(2026, 3, 23))


def test_a_battery_that_outlives_its_pump_is_replaced_at_the_end_of_service(clinic: ClinicDays) -> None:
    never = {f"eri_d_{edge}": [np.inf] for edge in ("low", "mid", "high")}
    [row] = listed(due_fleet([60.0], **never, eos_d_low=[20.0]), clinic, kind="battery", span="30")
    assert (row["reason"], row["by_day"]) == ("end of service", date(2026, 2, 1))


def test_the_appointment_is_on_the_last_clinic_day_before_the_date(clinic: ClinicDays) -> None:
    saturday = due_fleet([6.0])
    assert [row["day"] for row in listed(saturday, clinic)] == [date(2026, 1, 16)], "Friday before Saturday 17"
    clinic.set("Site 0", ["Tue"])
    assert [row["day"] for row in listed(saturday, clinic)] == [date(2026, 1, 13)]


def test_without_a_clinic_day_in_time_it_is_the_next_one_and_says_if_that_is_too_late(clinic: ClinicDays) -> None:
    clinic.set("Site 0", ["Sun"])
    [row] = listed(due_fleet([0.0], empty_d_low=[2.0]), clinic)
    assert (row["day"], row["after_latest"]) == (date(2026, 1, 18), True)


def test_every_weekday_leads_to_a_clinic_day_of_its_site() -> None:
    open_on = np.array([[day in days for day in range(7)] for days in ((0,), (2, 4), (0, 1, 2, 3, 4))])
    by = np.arange(20_000, 20_060)
    for site in range(3):
        days = refill_days.clinic_day(by, np.full(60, site, np.uint32), open_on, 20_010)
        assert all(open_on[site, (day + 3) % 7] for day in days)
        assert (days >= 20_010).all()
        assert (days[20:] <= by[20:]).all()


def test_clinic_days_are_kept_bounded_and_checked(clinic: ClinicDays, tmp_path: Path) -> None:
    assert clinic.of("North") == WEEKDAYS[:5]
    assert clinic.set("North", ["Thu", "Mon"]) == ("Mon", "Thu")
    assert ClinicDays(tmp_path).of("North") == ("Mon", "Thu")
    clinic.set("North", WEEKDAYS[:5])
    assert clinic.all() == {}
    for site, days in (("North", []), ("North", ["Mo"]), ("", ["Mon"]), ("N" * 101, ["Mon"])):
        with pytest.raises(ClinicDaysError):
            clinic.set(site, days)
    (tmp_path / "clinic-days.json").write_text('{"format": 1, "sites": {"North": ["Someday"]}}')
    with pytest.raises(ClinicDaysError, match="Someday"):
        clinic.all()
    assert MAX_SITES == 1_000


def test_site_kind_and_day_narrow_the_list_and_nonsense_does_not(clinic: ClinicDays) -> None:
    fleet = due_fleet([5.0] * 14)
    assert len(listed(fleet, clinic, site="Site 3")) == 2
    assert listed(fleet, clinic, site="nowhere") == []
    assert len(listed(fleet, clinic, day=date(2026, 1, 16))) == 14
    assert choice_of(7, None, "never", "2026-13-01") == Choice()


def test_counts_of_overview_and_page_agree(clinic: ClinicDays) -> None:
    fleet = due_fleet([0.0, 1.3, 4.0, 7.0, 30.0])
    due, counts = refill_days.outlook(fleet), agenda(fleet, Choice(kind="refill"), clinic).counts
    assert (due["overdue"], due["today"], due["week"], due["batteries"]) == (1, 1, 3, 0)
    assert counts["0"] == due["overdue"] + due["today"]
    assert counts["7"] == due["overdue"] + due["week"]


def test_a_gateway_that_plays_another_date_is_due_in_as_many_days_on_the_clock_of_the_fleet(clinic: ClinicDays) -> None:
    later = THERAPY_MS + 400 * DAY_MS
    fleet = due_fleet([6.0], time=[later], refill_due=[later + 5 * DAY_MS], drug_limit=[None])
    [row] = listed(fleet, clinic)
    assert row["by_day"] == date(2026, 1, 17)


def test_months_and_weeks_count_each_clinic_day(clinic: ClinicDays) -> None:
    tasks = agenda(due_fleet([0.0, 6.0, 6.0, 40.0]), Choice(), clinic).tasks
    days = refill_days.by_day(tasks, *refill_days.month_of(TODAY, 0))
    assert days[TODAY] == {"refill": 1, "battery": 0, "overdue": 1}
    assert days[date(2026, 1, 16)]["refill"] == 2
    assert refill_days.month_of(date(2026, 12, 31), 2) == (date(2027, 2, 1), date(2027, 2, 28))
    assert refill_days.week_of(date(2026, 1, 18)) == (TODAY, date(2026, 1, 18))


def test_a_plan_is_made_once_as_long_as_the_table_of_pumps_is_the_same() -> None:
    fleet = due_fleet([5.0, 6.0])
    again = dataclasses.replace(fleet, alarms=fleet.alarms.clear())
    assert refills.plan(fleet) is refills.plan(again)
    assert refills.plan(fleet).filter(pl.col("kind") == "battery").is_empty(), "due in three years"
