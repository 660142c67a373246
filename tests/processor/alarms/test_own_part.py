"""A processor that has only some of the pumps applies its part of an action, and leaves the rest to others."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.actions import Acknowledge, Retire, TakeOut, Transfer
from processor.alarms.lifecycle import SCHEMA
from processor.alarms.own_part import own_part

FIELDS = {"id": "a", "who": "anna", "at": 1}


def find(name: str) -> tuple[int | None, int | None]:
    return {"P": (0, None), "ward": (None, 0)}.get(name, (None, None))


def opened(*names: str) -> pl.DataFrame:
    rows = [{**dict.fromkeys(SCHEMA), "alarm": name, "other": name.partition("/")[0]} for name in names]
    return pl.DataFrame(rows, SCHEMA)


def test_alarms_are_known_by_their_subject_or_because_they_are_open():
    named = ["P/hot/1", "ward/silent/1", "lot B/shift/1", "lot C/shift/1", "Q/hot/1"]
    part = own_part(Acknowledge(alarms=named, **FIELDS), opened("lot B/shift/1"), find)
    assert isinstance(part, Acknowledge)
    assert part.alarms == ["P/hot/1", "ward/silent/1", "lot B/shift/1"]


def test_subjects_are_known_pumps_and_gateways_and_what_all_processors_have():
    named = ["P", "Q", "ward", "system: storage", "fleet", "lot B", "lot C"]
    part = own_part(TakeOut(subjects=named, **FIELDS), opened("lot B/shift/1"), find)
    assert isinstance(part, TakeOut)
    assert part.subjects == ["P", "ward", "system: storage", "fleet", "lot B"]


@pytest.mark.parametrize(
    "action",
    [
        Acknowledge(alarms=["Q/hot/1"], **FIELDS),
        TakeOut(subjects=["Q"], **FIELDS),
        Retire(pumps=["Q", "ward"], **FIELDS),
        Transfer(pumps=["Q"], gateway="ward", **FIELDS),
    ],
)
def test_an_action_on_pumps_of_others_is_theirs(action):
    assert own_part(action, opened(), find) is None
