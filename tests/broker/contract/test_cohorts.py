"""Cohorts: which pumps belong to which, and their names."""

from __future__ import annotations

import polars as pl

from broker.contract.cohorts import cohort_name, members_of


def test_a_pump_belongs_to_the_cohorts_of_its_model_lot_and_gateway_and_to_the_fleet():
    pumps = pl.DataFrame({"pump": ["P1", "P2"], "model": ["M", "M"], "lot": ["L1", None], "gateway": ["ward", "ward"]})
    assert sorted(members_of(pumps).rows()) == [
        ("fleet", "P1"),
        ("fleet", "P2"),
        ("lot L1", "P1"),
        ("model M", "P1"),
        ("model M", "P2"),
        ("ward", "P1"),
        ("ward", "P2"),
    ]


def test_a_cohort_name_is_short_and_has_no_slash():
    name = pl.select(cohort_name("model", pl.lit("20/40 mL " + "x" * 100))).item()
    assert (name[:15], len(name)) == ("model 20-40 mL ", 66)
