"""The dashboard's metrics, asked by Prometheus with an API key."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from broker.metrics.readings import Vitals
from dashboard.access.api_key_file import revoke_key
from dashboard.access.middleware import Access
from dashboard.access.problems import MEDIA_TYPE
from dashboard.components import watch_routes
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS

DAY_MS = 86_400_000


@pytest.fixture
def client(settings: Settings) -> httpx.AsyncClient:
    server = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    watch_routes.register(server, Vitals("dashboard", tuple, list))
    access = Access(server, settings, "", lambda: WALL_MS)
    return httpx.AsyncClient(transport=httpx.ASGITransport(access), base_url="http://pumpwatch")


async def test_a_key_of_a_viewer_is_enough(client: httpx.AsyncClient, key: Callable[..., str]) -> None:
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {key('viewer')}"})
    assert answer.status_code == 200
    assert "pumpwatch_ready" in answer.text


async def test_keys_that_do_not_count_are_refused_with_the_reason(
    client: httpx.AsyncClient, key: Callable[..., str], settings: Settings
) -> None:
    old, revoked = key(name="old", at=WALL_MS - 91 * DAY_MS), key(name="revoked")
    revoke_key(settings.data, "revoked")
    for token, kind in (("pw_" + "x" * 43, "unknown-key"), (revoked, "unknown-key"), (old, "expired-key")):
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["content-type"]) == (401, MEDIA_TYPE)
        assert answer.json()["type"].endswith(kind)
    assert (await client.get("/metrics")).status_code == 401
