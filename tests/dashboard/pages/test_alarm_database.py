"""The master alarm database on the pages Rules and Rule, and the alarm figures as files."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker.store import alarm_database, journal_query
from broker.store.journal_query import Query
from broker.store.snapshot import Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble
from dashboard.components import alarm_database_panel
from dashboard.data import rationalization
from dashboard.data.services import DataService
from dashboard.pages import rule
from processor.rules import RULES
from processor.view.rule_table import rule_table


@pytest.fixture
def data(data_of: Callable[[Snapshot], DataService], fleet: Any) -> DataService:
    return data_of(replace(fleet(3), rules=rule_table(RULES)))


def upload(text: str) -> str:
    return f"data:text/csv;base64,{base64.b64encode(text.encode()).decode()}"


def shown(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


async def test_an_admin_sees_the_differences_confirms_and_the_rule_shows_them(data: DataService) -> None:
    VISITOR.set(Visitor("ada", "admin"))
    file = upload("rule;class;approver\nmotor_stall;A;Dr. Keller\n")
    found = rationalization.review(data, file)
    text = shown(alarm_database_panel.reviewed(found, alarm_database_panel.titles(data)))
    assert "2 changes" in text
    assert "Dr. Keller" in text
    assert alarm_database.read(data.settings.data).rules == {}, "nothing is changed before the confirmation"
    assert (await rationalization.change(data, file, rationalization.key(found))).good
    page = shown(rule.body(data.snapshot(), "motor_stall", rationalization.known(data)))
    assert "Dr. Keller" in page
    assert "by ada: Class: (as the rule) → A" in page
    again = await rationalization.change(data, file, rationalization.key(found))
    assert again.text == "Not changed: the database was changed meanwhile; upload the file again."
    assert journal_query.entries(data.settings.data, Query())["kind"].to_list() == ["alarm_database_changed"]


async def test_only_admins_import(data: DataService) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    assert "database-upload" not in shown(alarm_database_panel.layout())
    answer = await rationalization.change(data, upload("rule,class\nmotor_stall,A\n"), "")
    assert answer.text == "Not changed: only admins may change the master alarm database."
    assert alarm_database.read(data.settings.data).rules == {}


@pytest.mark.parametrize("content", [None, 5, "data:;base64,%%%", upload("rule,class\nnone,A\n"), upload("")])
def test_whatever_is_uploaded_is_refused_in_words(data: DataService, content: Any) -> None:
    found = rationalization.review(data, content)
    assert found.problems
    assert "Nothing can be imported" in shown(alarm_database_panel.reviewed(found, {}))


async def test_both_are_there_as_files(data: DataService, browser_of: Any) -> None:
    VISITOR.set(Visitor("vera", "viewer"))
    async with browser_of(assemble(data).server) as client:
        table = (await client.get(alarm_database_panel.CSV)).text
        figures = (await client.get("/alarm-health.json?operators=2")).json()
        lines = (await client.get("/alarm-health.csv")).text.splitlines()
        wrong = await client.get("/alarm-health.csv?operators=many")
    rows = list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))
    assert {row["rule"] for row in rows} == {one.name for one in RULES}
    assert figures["operators"] == 2
    assert len(lines) == len(figures["figures"]) + 1
    assert wrong.status_code == 422
    assert journal_query.entries(data.settings.data, Query())["kind"].to_list() == ["exported"] * 3
