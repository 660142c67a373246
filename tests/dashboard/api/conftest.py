"""The API behind its sign-in, without the pages, and a client with the key of an engineer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from dashboard.access.api_key_file import add_key
from dashboard.access.middleware import Access
from dashboard.api.application import build
from dashboard.data.services import DataService
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS, FleetOf


@pytest.fixture
def data(data_of: Callable[..., DataService], fleet: FleetOf) -> DataService:
    return data_of(fleet(250))


@pytest.fixture
def served(settings: Settings) -> Callable[[DataService], Access]:
    """Return a function that serves the API of a data service."""

    def serve(data: DataService) -> Access:
        server = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        server.mount("/api", build(data))
        return Access(server, settings, "", lambda: WALL_MS, data.audit)

    return serve


@pytest.fixture
def application(data: DataService, served: Callable[[DataService], Access]) -> Access:
    return served(data)


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
