"""Alarms read from journal entries: when each was raised, shown and returned, and what it is about."""

from __future__ import annotations

import polars as pl

from broker.store.journal import EVENTS_SCHEMA
from broker.truth.alarm_history import raised_by


def events(*rows: tuple[str, str, int, str | None]) -> pl.DataFrame:
    """Return journal entries from kind, alarm, time and cause."""
    entries = [{"kind": kind, "alarm": alarm, "time": time, "cause": cause} for kind, alarm, time, cause in rows]
    alarm_fields = {"pump": "A", "rule": "motor", "priority": 1}
    return pl.DataFrame([{**alarm_fields, **row} for row in entries], schema=EVENTS_SCHEMA)


def test_alarms_are_read_from_the_journal_in_any_order():
    entries = [
        ("cleared", "1", 90, None),
        ("returned", "1", 80, None),
        ("acknowledged", "1", 75, None),
        ("raised", "1", 70, None),
        ("returned", "1", 50, None),
        ("raised", "1", 10, None),
        ("raised", "2", 20, "motor_stall"),
        ("raised", "3", 30, None),
        ("held", "3", 30, "motor_stall"),
        ("released", "3", 60, None),
        ("raised", "4", 95, None),
    ]
    alarms = raised_by(events(*entries)).select("alarm", "raised", "shown", "returned").rows()
    assert alarms == [
        ("1", 10, 10, 50),
        ("2", 20, None, None),
        ("3", 30, 60, None),
        ("1", 70, 70, 80),
        ("4", 95, 95, None),
    ]


def test_an_empty_journal_has_no_alarms():
    assert raised_by(events()).rows() == []


def test_an_alarm_that_is_not_about_a_pump_has_its_subject_in_place_of_the_pump():
    entries = pl.DataFrame(
        [
            {
                "kind": "raised",
                "alarm": f"{subject}/drift/{time}",
                "subject": subject,
                "pump": None,
                "rule": "drift",
                "priority": 2,
                "time": time,
            }
            for subject, time in (("lot L1", 10), ("model 20 mL, revision A", 20), ("system", -5))
        ]
    )
    journal = pl.concat([pl.DataFrame(schema=EVENTS_SCHEMA), entries], how="diagonal_relaxed")
    assert sorted(raised_by(journal)["pump"]) == ["lot L1", "model 20 mL, revision A", "system"]
