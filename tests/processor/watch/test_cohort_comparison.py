"""Comparison of cohorts with the rest of the fleet: a drift that many pumps share is one finding about their cohort."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from processor.alarms.subjects import Subjects
from processor.rules.cohorts import MIN_Z, ROWS
from processor.watch import cohort_comparison
from tests.processor.watch.cohort_fleet import LOTS, PUMPS, healthy, subjects

OVER_DELIVERY = next(row for row in ROWS if row.rule.name == "cohort_over_delivery")


def findings(values: np.ndarray, known: Subjects) -> list[tuple[str, int]]:
    judged = cohort_comparison.judge(values, cohort_comparison.kinds(known), OVER_DELIVERY).filter(pl.col("score") >= 1)
    return list(zip(known.names(judged), judged["pumps"], strict=True))


def test_a_healthy_fleet_has_no_findings():
    assert findings(healthy(), subjects()) == []


def test_a_drifting_lot_is_one_finding_and_its_model_is_not_reported():
    values = healthy()
    values[3::LOTS] += 6.0
    assert findings(values, subjects()) == [("lot L3", 20)]


def test_a_drifting_model_is_one_finding_and_its_lots_are_not_reported():
    values = healthy()
    values[np.arange(PUMPS) % LOTS < 5] += 6.0
    assert findings(values, subjects()) == [("model A", 100)]


def test_a_drifting_gateway_is_one_finding():
    values = healthy()
    values[:100] += 6.0
    assert findings(values, subjects()) == [("ward-0", 100)]


def test_two_drifting_lots_are_two_findings():
    values = healthy()
    values[3::LOTS] += 6.0
    values[9::LOTS] += 8.0
    assert sorted(findings(values, subjects())) == [("lot L3", 20), ("lot L9", 20)]


def test_a_significant_but_small_difference_is_not_reported():
    values = np.tile(healthy(2000), 5)
    values[np.arange(10_000) % LOTS == 3] += 2.0
    judged = cohort_comparison.judge(values, cohort_comparison.kinds(subjects(pumps=10_000)), OVER_DELIVERY)
    assert judged["z"].max() > MIN_Z
    assert judged["score"].max() < 1


def test_a_large_difference_in_a_few_pumps_is_not_reported():
    values = healthy()
    values[3 : 3 + 6 * LOTS : LOTS] += 30.0
    assert findings(values, subjects()) == []


def test_a_cohort_of_too_few_pumps_with_known_values_is_not_judged():
    values = healthy()
    values[3::LOTS] += 6.0
    values[3 : 3 + 11 * LOTS : LOTS] = np.nan
    assert findings(values, subjects()) == []
    assert cohort_comparison.judge(healthy(19), cohort_comparison.kinds(subjects(pumps=19)), OVER_DELIVERY).is_empty()


def test_the_medians_are_those_of_the_cohort_and_of_all_other_pumps():
    chance = np.random.default_rng(6)
    values, cohorts = chance.normal(3.0, 5.0, 2000), chance.integers(-1, 5, 2000)
    values[cohorts == 4] += 10.0
    compared = cohort_comparison.compare(values, cohorts, 5, span=(-60.0, 60.0), floor=4.0)
    for cohort, row in enumerate(compared.iter_rows(named=True)):
        members, others = values[cohorts == cohort], values[cohorts != cohort]
        assert row["pumps"] == len(members)
        assert row["middle"] == pytest.approx(np.median(members), abs=0.3)
        assert row["rest"] == pytest.approx(np.median(others), abs=0.1)
        assert row["spread"] == pytest.approx((np.quantile(others, 0.75) - np.quantile(others, 0.25)) / 1.349, rel=0.05)
        assert (abs(row["z"]) > 10) == (cohort == 4)


def test_the_number_of_outliers_in_a_cohort_is_compared_with_the_number_expected():
    values = healthy()
    values[3::LOTS] += 6.0
    judged = (
        cohort_comparison.judge(values, cohort_comparison.kinds(subjects()), OVER_DELIVERY)
        .filter(pl.col("other") == "lot L3")
        .row(0, named=True)
    )
    assert judged["beyond"] >= 15
    assert judged["beyond_usual"] < 2


def test_if_there_are_too_many_cohorts_the_largest_are_judged_and_the_others_counted(monkeypatch):
    monkeypatch.setattr(cohort_comparison, "MAX_COHORTS", 8)
    lots = cohort_comparison.kinds(subjects())[1]
    assert (lots.subjects.height, lots.left_out) == (8, 12)


@pytest.mark.parametrize("pumps", [0, 1, 60])
def test_pumps_of_unknown_model_and_lot_are_compared_by_gateway_only(pumps):
    unknown = pl.DataFrame({"model": [None] * pumps, "lot": [None] * pumps}, {"model": pl.String, "lot": pl.String})
    known = dataclasses.replace(subjects(pumps=pumps, gateways=3), facts=unknown)
    values = healthy(pumps)
    values[: pumps // 3] += 8.0
    assert findings(values, known) == ([("ward-0", 20)] if pumps == 60 else [])


def test_if_the_fleet_is_split_in_half_neither_half_is_reported():
    values = healthy()
    values[:200] += 8.0
    assert findings(values, subjects(gateways=2)) == []


def test_if_most_of_the_fleet_drifts_the_healthy_pumps_are_not_reported():
    values = healthy()
    values[100:] += 8.0
    for rule in ("cohort_over_delivery", "cohort_under_delivery"):
        row = next(row for row in ROWS if row.rule.name == rule)
        judged = cohort_comparison.judge(values, cohort_comparison.kinds(subjects()), row)
        assert "ward-0" not in list(subjects().names(judged.filter(pl.col("score") >= 1.0)))


def test_drifting_cohorts_beyond_the_number_of_rounds_are_all_reported(monkeypatch):
    monkeypatch.setattr(cohort_comparison, "MAX_ROUNDS", 2)
    values = healthy()
    for lot in (3, 9, 14, 17):
        values[lot::LOTS] += 8.0
    assert sorted(findings(values, subjects())) == [("lot L14", 20), ("lot L17", 20), ("lot L3", 20), ("lot L9", 20)]
