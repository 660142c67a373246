"""What a role does not allow is refused, logged and in the audit trail, and cannot flood either."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.store.journal_query import Query, entries
from dashboard.access import audit_trail
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.middleware import Access
from dashboard.access.origin import ORIGIN
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
async def test_many_refusals_are_one_entry_at_once_and_one_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "MAX_WINDOWS", 3)
    trail = AuditTrail(tmp_path, lambda: 1_000)
    for _ in range(2600):
        await trail.denied(VERA, "program pumps")
    assert [text for _, _, text in denied(tmp_path)] == ["program pumps: not allowed for the role viewer"]
    for number in range(10):
        await trail.denied(replace(VERA, name=f"v{number}"), "program pumps")
    assert len(trail._windows) == 4
    await trail.drain()
    assert sorted(text for _, _, text in denied(tmp_path)) == [
        *["program pumps: not allowed for the role viewer"] * 3,
        "program pumps: not allowed for the role viewer; 2,599 more within 60 s",
        "what roles do not allow refused: 8 attempts",
    ]


async def test_when_its_time_is_over_the_number_is_recorded_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "DENIED_WINDOW_S", 0.2)
    trail = AuditTrail(tmp_path, lambda: 1_000)
    for _ in range(3):
        trail.deny(VERA, "inject faults")
    while len(denied(tmp_path)) < 2:
        await asyncio.sleep(0.02)
    assert "2 more" in denied(tmp_path)[1][2]
    await trail.drain()
    assert len(denied(tmp_path)) == 2


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
    assert not await AuditTrail(tmp_path, lambda: 1).record("denied", VERA, "inject faults")
    assert "Not in the audit trail" in caplog.text
