"""Two dashboards on one data directory, as in a cluster: who signs in or out at one does at the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboard.access.accounts import add_account
from dashboard.access.session_table import Session, SessionTable
from dashboard.access.sessions import REFRESH_INTERVAL_MS
from dashboard.app import build
from dashboard.settings import Settings

pytestmark = pytest.mark.usefixtures("cheap_hashes")


async def test_who_signs_in_at_one_dashboard_is_signed_in_at_the_other_until_signing_out_at_either(
    settings: Settings, browser_of: Any
) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    async with browser_of(build(settings)) as one, browser_of(build(settings)) as other:
        await one.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        other.cookies.update(dict(one.cookies))
        assert (await other.get("/")).status_code == 200
        table = SessionTable(settings.data)
        table.end([session.digest for session in table.all()])
        table.save()
        await asyncio.sleep(REFRESH_INTERVAL_MS / 1000 + 0.1)
        assert [(await each.get("/")).status_code for each in (one, other)] == [401, 401]


@pytest.mark.parametrize("saved_first", [True, False])
def test_a_session_that_ended_at_one_dashboard_does_not_come_back_by_its_last_use_at_the_other(
    tmp_path: Path, *, saved_first: bool
) -> None:
    session = Session("d-1", "maria", "g", 1, 1, "::1")
    one = SessionTable(tmp_path)
    one.put(session)
    one.save()
    other = SessionTable(tmp_path)
    # Used at the other one a moment ago, which is written some seconds later.
    other.put(replace(session, seen=2))
    one.end(["d-1"])
    one.save()
    if saved_first:
        other.save()
    other.refresh()
    assert other.get("d-1") is None
    other.save()
    assert SessionTable(tmp_path).all() == []


def test_what_both_dashboards_know_of_a_session_is_its_latest_use(tmp_path: Path) -> None:
    one, other = SessionTable(tmp_path), SessionTable(tmp_path)
    one.put(Session("d-1", "maria", "g", 1, 1, "::1"))
    one.save()
    other.refresh()
    other.put(replace(other.all()[0], seen=5))
    other.save()
    one.refresh()
    assert [session.seen for session in one.all()] == [5]
