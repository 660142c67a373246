"""A dashboard on a fleet that moves: a process of its own, or, for speed, a thread of the test in a hurry."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from broker.store.snapshot_files import write
from dashboard import app as dashboard_app
from dashboard.settings import Public, Settings
from tests.conftest import ROOT

ASSETS = Path(dashboard_app.__file__).parent / "assets"
NO_BROKER = "mqtt://127.0.0.1:1"
KEY = "the-right-key"
START_S = 60
END_S = 20
HURRY = {"LOST_S = 8": "LOST_S = 3", "FIRST_PUSH_S = 4": "FIRST_PUSH_S = 1.5", "look, 2000": "look, 500"}
"""What a page in a hurry has in place of the intervals of `live.js`: how soon it notices that nothing is pushed."""
NOTICED_MS = 4_000 + 2_000 + 500
"""How long after it was opened a page notices at the latest that nothing is pushed, and polls."""
NOTICED_IN_A_HURRY_MS = 3_000 + 500
"""The same in a hurry, also if pushes end later."""


@dataclass
class Ward:
    """A data directory with a fleet that moves, and what serves it."""

    data: Path
    fleet: Any
    folder: Path

    @contextlib.contextmanager
    def moving(self) -> Iterator[None]:
        """Write two snapshots a second; every one is newer."""
        ended = threading.Event()

        def keep() -> None:
            version = 0
            while not ended.wait(0.5 if version else 0):
                version += 1
                snapshot = self.fleet(20, alarms=3, version=version, written=time.time_ns() // 1_000_000)
                write(self.data / "snapshot", snapshot)

        hand = threading.Thread(target=keep)
        hand.start()
        try:
            yield
        finally:
            ended.set()
            hand.join()

    @contextlib.contextmanager
    def process(self, port: int, *flags: str) -> Iterator[str]:
        """Run `pumpwatch dashboard`; yield the address it prints."""
        command = [sys.executable, "-m", "pumpwatch", "dashboard", "--data", str(self.data), "--port", str(port)]
        command += ["--key", KEY, "--broker", NO_BROKER, *flags]
        with (self.folder / "dashboard.log").open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                assert process.stdout is not None
                words = process.stdout.readline().split()
                assert words[:2] == ["READY", "dashboard"], (self.folder / "dashboard.log").read_text()
                yield words[2]
            finally:
                process.terminate()
                process.wait(END_S)
                process.stdout.close()

    @contextlib.contextmanager
    def in_a_hurry(self, port: int, public: Public | None = None, allowed_hosts: tuple[str, ...] = ()) -> Iterator[str]:
        """Serve the same dashboard in a thread, its pages in a `HURRY`; yield the address to open."""
        settings = Settings(
            NO_BROKER, self.data, port=port, key=KEY, public=public or Public(), allowed_hosts=allowed_hosts
        )
        hurried = functools.partial(dashboard_app.SafeDash, assets_folder=str(self._assets()))
        with patch.object(dashboard_app, "SafeDash", hurried), serving(settings) as address:
            yield address

    def _assets(self) -> Path:
        """Return a folder with the assets of a page in a hurry."""
        folder = self.folder / "assets"
        if not folder.exists():
            shutil.copytree(ASSETS, folder)
            text = (folder / "live.js").read_text("utf-8")
            for usual, hurried in HURRY.items():
                assert text.count(usual) == 1, f"{usual} is not once in live.js"
                text = text.replace(usual, hurried)
            (folder / "live.js").write_text(text, "utf-8")
        return folder


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run the dashboard in a thread until the context ends; yield the address to open."""
    addresses: queue.Queue[str] = queue.Queue()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stops.append((asyncio.get_running_loop(), asyncio.Event()))
        await dashboard_app.run(settings, stops[0][1], addresses.put)

    # dash.register_page reads a context variable that is only set in the context that imported Dash.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(asyncio.run, main()))
    thread.start()
    try:
        yield addresses.get(timeout=START_S)
    finally:
        loop, stop = stops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(END_S)
        assert not thread.is_alive(), "the dashboard did not end"
