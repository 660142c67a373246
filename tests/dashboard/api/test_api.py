"""The HTTP API behind its keys: what programs get, change, and are told when something is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from dashboard.access.api_key_file import add_key
from dashboard.access.middleware import Access
from dashboard.app import assemble
from dashboard.data.services import DataService
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS, FleetOf


@pytest.fixture
def data(data_of: Callable[..., DataService], fleet: FleetOf) -> DataService:
    return data_of(fleet(250))


@pytest.fixture
def application(data: DataService, settings: Settings) -> Access:
    return Access(assemble(data).server, settings, "", lambda: WALL_MS, data.audit)


@pytest.fixture
def key(settings: Settings) -> Callable[..., str]:
    """Return a function that makes a key of a role."""

    def make(role: str = "viewer", *, name: str = "", at: int = WALL_MS, days: int = 90) -> str:
        return add_key(settings.data, name or role, role, days, at=at)[1]

    return make


@pytest.fixture
async def client(application: Access, key: Callable[..., str]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application)
    headers = {"Authorization": f"Bearer {key('engineer')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://pumpwatch/api/v1", headers=headers) as made:
        yield made


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= problem.keys()
    return problem


async def test_all_pumps_are_read_page_by_page_each_once(client: httpx.AsyncClient) -> None:
    for order in ({}, {"order": "desc"}, {"sort": "battery_v"}, {"sort": "lost", "order": "desc"}):
        found, cursor = [], None
        while True:
            asked = {"limit": 90, **order, **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/pumps", params=asked)).json()
            found += [one["pump"] for one in page["items"]]
            cursor = page["next"]
            if not cursor:
                break
        assert page["total"] == 250
        assert len(found) == len(set(found)) == 250
