"""Matchers of routes and silences: which alarms they mean, alone and in a frame, and how bad ones are refused."""

from __future__ import annotations

import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.alarm_matchers import AGE, FIELDS, AlarmMatcher, MatcherError, cohort_fields, read

ALARM = {
    "site": "Bern",
    "gateway": "gw-1",
    "model": "SX40",
    "lot": "B07",
    "rule": "motor_stall",
    "priority": "high",
    "pump": "ITB-000123",
    "state": "unacknowledged",
    "subject": "ITB-000123",
    "alarm": "ITB-000123/motor_stall/1",
    "age_s": 700.0,
}
TEXTS = st.text(st.sampled_from("ab*?[].\\^$ ü\n-"), max_size=6)


def frame(*alarms: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: alarm.get(name) for name in (*FIELDS, AGE)} for alarm in alarms], {
        **dict.fromkeys(FIELDS, pl.String), AGE: pl.Float64,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("table", "matches"),
    [
        ({}, True),
        ({"site": "Bern"}, True),
        ({"site": "bern"}, False),
        ({"site": ["Thun", "Be*"]}, True),
        ({"priority": ["high", "medium"], "rule": "motor_*"}, True),
        ({"priority": "low", "rule": "motor_*"}, False),
        ({"pump": "ITB-00012?"}, True),
        ({"pump": "ITB-0001"}, False),
        ({"lot": "B07", "model": "SX40", "gateway": "gw-1", "state": "unack*"}, True),
        ({"min_age": "10m"}, True),
        ({"min_age": "12m"}, False),
    ],
)
def test_an_alarm_matches_if_every_field_has_a_pattern_that_does(table: dict[str, Any], matches: bool) -> None:
    matcher = read(table)
    assert matcher.matches(ALARM) is matches
    assert frame(ALARM).select(matcher.expression()).to_series().to_list() == [matches]


def test_an_alarm_without_a_value_matches_no_pattern_of_that_field() -> None:
    of_gateway = {**ALARM, "site": None}
    matcher = read({"site": "*"})
    assert not matcher.matches(of_gateway)
    assert frame(of_gateway, ALARM).filter(matcher.expression()).height == 1


def test_an_alarm_about_a_lot_is_of_that_lot() -> None:
    assert cohort_fields("lot B07", "cohort") == {"lot": "B07"}
    assert cohort_fields("lot B07", "gateway") == {}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("site", r"match is 'site'; write a table"),
        ({"sites": "Bern"}, r"match has the field 'sites'; allowed are site, gateway, model"),
        ({"site": 3}, r"match\.site is 3; write a text or a list of texts"),
        ({"site": ""}, r"match\.site has the pattern ''; allowed are 1 to 200 printable characters"),
        ({"site": ["a"] * 201}, r"match\.site has 201 patterns; allowed are up to 200"),
        ({"priority": "urgent"}, r"match\.priority is 'urgent', which matches none of high, medium, low"),
        ({"min_age": "soon"}, r"match\.min_age is 'soon'; write a duration of up to 30d"),
    ],
)
def test_a_bad_matcher_is_refused_with_what_is_allowed(table: Any, sentence: str) -> None:
    with pytest.raises(MatcherError, match=sentence):
        read(table)


def test_a_matcher_survives_the_way_to_a_file_and_says_what_it_means() -> None:
    matcher = read({"site": ["Bern", "Thun*"], "priority": "high", "min_age": "10m"})
    assert read(matcher.as_table()) == matcher
    assert matcher.text() == "site Bern or Thun*; priority high; open for at least 600 s"
    assert AlarmMatcher().text() == "every alarm"


@given(st.lists(TEXTS.filter(lambda text: text.isprintable() and text), min_size=1, max_size=3), TEXTS)
def test_a_frame_of_alarms_and_one_alarm_agree(patterns: list[str], site: str) -> None:
    matcher = read({"site": patterns})
    alarm = {"site": site}
    assert frame(alarm).select(matcher.expression()).item() == matcher.matches(alarm)


def test_a_pattern_of_many_wildcards_is_fast() -> None:
    matcher = read({"site": "*a" * 60 + "*b"})
    began = time.perf_counter()
    assert not matcher.matches({"site": "a" * 200})
    assert time.perf_counter() - began < 1.0
