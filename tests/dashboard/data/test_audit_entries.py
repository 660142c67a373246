"""What a role does not allow is refused, logged and in the audit trail, and cannot flood either."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.store.journal_query import Query, entries
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.middleware import Access
from dashboard.access.origin import ORIGIN
from dashboard.data import audit_entries
from dashboard.data.audit_entries import REPEAT_MS, AuditEntries
from dashboard.data.services import DataService
from dashboard.settings import Settings

VERA = Visitor("vera", "viewer")


@pytest.fixture
def visitor():
    name, address = VISITOR.set(VERA), ORIGIN.set("10.0.0.9")
    yield
    VISITOR.reset(name)
    ORIGIN.reset(address)


def denied(data: Path) -> list[tuple[str, str, str]]:
    return entries(data, Query(kinds=("denied",))).select("who", "origin", "text").rows()[::-1]


@pytest.mark.usefixtures("visitor")
async def test_a_refused_action_leaves_an_entry_and_a_line(
    fleet: Any, data_of: Callable[..., DataService], caplog: pytest.LogCaptureFixture
) -> None:
    data = data_of(fleet(3))
    pumps = data.snapshot().pumps.select("pump", "gateway")
    for _ in range(3):
        (reply,) = await data.clear(pumps, None)
        assert not reply.ok
    await data.apply("acknowledge", ["ITB-000001/rule"])
    await data.change_service("take_out", "ITB-000001", rule=None, why="x", for_s=None)
    await data.change_monitoring("retire", "ITB-000001", why="x")
    assert denied(data.settings.data) == [
        ("vera", "10.0.0.9", f"{activity}: not allowed for the role viewer")
        for activity in (
            *("inject faults", "acknowledge", "take out of service or return to service"),
            "retire or reinstate pumps",
        )
    ]
    lines = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert lines[0] == "Refused: vera (viewer) from 10.0.0.9 may not inject faults"
    assert len(lines) == 4


@pytest.mark.usefixtures("visitor")
async def test_many_refusals_are_counted_in_the_next_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000]
    trail = AuditEntries(tmp_path, lambda: clock[0])
    for _ in range(2600):
        await trail.denied(VERA, "program pumps")
    clock[0] += REPEAT_MS
    await trail.denied(VERA, "program pumps")
    assert [text for _, _, text in denied(tmp_path)] == [
        "program pumps: not allowed for the role viewer",
        "program pumps: not allowed for the role viewer; 2,599 more since the last entry",
    ]
    monkeypatch.setattr(audit_entries, "MAX_REMEMBERED", 3)
    for number in range(10):
        await trail.denied(replace(VERA, name=f"v{number}"), "program pumps")
    assert len(trail._refusals) == 3


async def test_the_address_of_a_visitor_is_known_to_callbacks(settings: Settings, browser_of: Any) -> None:
    seen: list[str] = []

    async def served(_scope: Any, _receive: Any, send: Any) -> None:
        seen.append(ORIGIN.get())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with browser_of(Access(served, settings, "default-src 'self'")) as client:
        await client.get("/", params={"key": "the-right-key"})
        await client.get("/alarms")
    assert seen == ["127.0.0.1"]


async def test_a_journal_that_cannot_be_written_is_in_the_log_and_the_refusal_stands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "journal.sqlite").mkdir()
    assert not await AuditEntries(tmp_path, lambda: 1).record("denied", VERA, "inject faults")
    assert "Not in the audit trail" in caplog.text
