"""Readiness and metrics of the dashboard, as those see them who watch it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from broker.store.snapshot import Health
from broker.store.snapshot_files import write
from dashboard.app import build
from dashboard.data import readiness
from dashboard.data.live import Live
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS, make_fleet


class Watched:
    """A dashboard's readiness on a data directory, at a wall time."""

    def __init__(self, data: Path) -> None:
        self.data, self.now = data, WALL_MS
        self.live = Live(data / "snapshot", lambda: self.now)

    def show(self, **health: object) -> None:
        fleet = make_fleet(3)
        shown = {"version": 1, "written": self.now, "connected": True, **health}
        write(self.data / "snapshot", type(fleet)(fleet.table, fleet.alarms, fleet.gateways, Health(**shown)))

    def problems(self) -> list[str]:
        return readiness.problems(self.live, self.data)


@pytest.fixture
def ward(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_without_a_snapshot_and_with_a_fresh_one(ward: Watched) -> None:
    assert ward.problems() == ["snapshot_missing"]
    ward.show()
    assert ward.problems() == []


def test_a_snapshot_that_is_not_renewed_is_stale(ward: Watched) -> None:
    ward.show()
    ward.problems()
    ward.now += readiness.STALE_MS + 1
    assert ward.problems() == ["snapshot_stale"]


def test_a_processor_that_lost_its_broker(ward: Watched) -> None:
    ward.show(connected=False)
    assert ward.problems() == ["broker_away"]


def test_a_snapshot_that_cannot_be_read(ward: Watched) -> None:
    ward.show()
    ward.problems()
    for path in (ward.data / "snapshot").iterdir():
        path.write_bytes(b"rubbish")
    assert ward.problems() == ["snapshot_unreadable"]


def test_a_full_disk(ward: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.show()
    monkeypatch.setattr(readiness, "disk_of", lambda _: (1024, 10**9))
    assert ward.problems() == ["disk_full"]


async def test_anybody_may_ask_whether_it_is_ready_and_nobody_gets_metrics_without_signing_in(tmp_path: Path) -> None:
    application = build(Settings("mqtt://127.0.0.1:1", tmp_path))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8050") as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "snapshot_missing\n")
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/metrics")).status_code == 401
