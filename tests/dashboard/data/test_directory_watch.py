"""New snapshots are noticed at once where the kernel reports them, and by polling elsewhere."""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import sys
import time
from pathlib import Path

import pytest

from broker.store.snapshot_files import MANIFEST, write
from dashboard.data import live
from dashboard.data.directory_watch import DirectoryWatch
from dashboard.data.live import Live
from tests.dashboard.conftest import FleetOf

PATIENCE_S = 20.0
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")


def replace(directory: Path, name: str = MANIFEST) -> None:
    (directory / "fresh").write_text("{}")
    (directory / "fresh").replace(directory / name)


@linux_only
async def test_a_replaced_manifest_wakes_and_other_files_do_not(tmp_path: Path) -> None:
    woken = asyncio.Event()
    watch = DirectoryWatch(tmp_path, MANIFEST, woken.set)
    watch.start()
    replace(tmp_path, "values-1-1.columns")
    await asyncio.sleep(0.05)
    assert watch.active
    assert not woken.is_set()
    replace(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await woken.wait()
    watch.close()
    assert not watch.active


@linux_only
async def test_a_directory_that_comes_back_is_watched_again(tmp_path: Path) -> None:
    woken, directory = asyncio.Event(), tmp_path / "snapshot"
    watch = DirectoryWatch(directory, MANIFEST, woken.set)
    watch.start()
    before = watch.active
    directory.mkdir()
    watch.start()
    assert (before, watch.active) == (False, True), "there was no directory yet"
    shutil.rmtree(directory)
    async with asyncio.timeout(PATIENCE_S):
        while watch.active:
            await asyncio.sleep(0.01)
    directory.mkdir()
    watch.start()
    replace(directory)
    async with asyncio.timeout(PATIENCE_S):
        await woken.wait()
    watch.close()


@linux_only
async def test_a_snapshot_is_noticed_without_waiting_for_the_next_poll(
    tmp_path: Path, fleet: FleetOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WATCHED_POLL_INTERVAL_S", 10 * PATIENCE_S)
    write(tmp_path, fleet(3))
    watched = Live(tmp_path, lambda: 0)
    async with watched.watching(), asyncio.timeout(PATIENCE_S):
        assert await watched.newer(0, PATIENCE_S)
        began = time.monotonic()
        write(tmp_path, fleet(4, version=2))
        assert await watched.newer(1, PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S


async def test_without_reports_of_the_kernel_snapshots_are_polled(
    tmp_path: Path, fleet: FleetOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    watched = Live(tmp_path, lambda: 0)
    async with watched.watching():
        write(tmp_path, fleet(3))
        assert await watched.newer(0, PATIENCE_S)
