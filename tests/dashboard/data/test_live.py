"""A stale dashboard shows the problem with the disk, if there is one."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest

from broker.store.snapshot_files import write
from dashboard.data.live import ALARM_PUSH_INTERVAL_S, MIN_FREE_BYTES, STALE_MS, UNREADABLE, Live, disk_problem
from tests.dashboard.conftest import WALL_MS


@pytest.mark.parametrize(
    ("free", "flags", "problem"),
    [
        (10 * MIN_FREE_BYTES, 0, ""),
        (MIN_FREE_BYTES - 1, 0, "The disk of the processor is full."),
        (10 * MIN_FREE_BYTES, os.ST_RDONLY, "The disk of the processor is read-only."),
    ],
)
def test_a_full_or_read_only_disk_is_named(tmp_path, monkeypatch, free, flags, problem):
    disk = SimpleNamespace(f_flag=flags, f_bavail=free, f_frsize=1)
    monkeypatch.setattr("dashboard.data.live.os.statvfs", lambda _: disk)
    assert disk_problem(tmp_path) == problem


def test_a_missing_disk_is_named(tmp_path):
    assert disk_problem(tmp_path / "nowhere").startswith("The directory of the snapshots cannot be reached")


def test_the_disk_is_not_checked_while_data_is_fresh(tmp_path, monkeypatch):
    monkeypatch.setattr("dashboard.data.live.os.statvfs", lambda _: pytest.fail("checked"))
    assert Live(tmp_path, lambda: 0).beat()["why"] == ""


def test_a_snapshot_that_cannot_be_read_is_not_blamed_on_the_processor(settings, fleet):
    write(settings.snapshots, fleet(2, written=WALL_MS))
    live = Live(settings.snapshots, lambda: WALL_MS + 2 * STALE_MS)
    live.refresh()
    assert live.beat()["why"] == ""
    for file in settings.snapshots.iterdir():
        file.write_bytes(b"not a snapshot")
    live.refresh()
    assert live.beat()["why"] == UNREADABLE


@pytest.mark.parametrize(("alarms", "soon"), [(2, True), (1, False)], ids=["another alarm", "other values only"])
async def test_a_changed_alarm_ends_the_pause_between_updates_and_other_values_do_not(
    settings, fleet, alarms, soon, monkeypatch
):
    monkeypatch.setattr("dashboard.data.live.PUSH_INTERVAL_S", 3600.0)
    write(settings.snapshots, fleet(3, alarms=1, version=1))
    live = Live(settings.snapshots, lambda: WALL_MS)
    live.refresh()
    async with live.watching():
        pause = asyncio.create_task(live.pause(live.alarms_key))
        write(settings.snapshots, fleet(3, alarms=alarms, version=2))
        assert await live.newer(1, timeout_s=30)
        done, _ = await asyncio.wait([pause], timeout=30 if soon else 2 * ALARM_PUSH_INTERVAL_S)
        assert (pause in done) == soon
        pause.cancel()
