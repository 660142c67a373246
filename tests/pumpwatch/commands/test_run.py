"""`pumpwatch run`, end to end: all parts start, are restarted when they are killed, and stop without a trace."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.endpoint import free_port
from broker.mqtt.link import learn_protocol
from pumpwatch.supervision import run_file

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 240.0


class Run:
    """A `pumpwatch run` in its own directory."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.log, self.out = data / "log", data / "out"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        flags = ("--data", str(data), "--pumps", "3", "--scenario", "none", "--port", str(self.port))
        command = [sys.executable, "-m", "pumpwatch", "run", *flags]
        with self.log.open("w") as log, self.out.open("w") as out:
            self.process = subprocess.Popen(command, cwd=data, env=environment, stdout=out, stderr=log)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Return the command lines of all processes that use the data directory."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                if any(str(self.data) in word for word in words):
                    found[int(entry.name)] = " ".join(words)
        return found

    def address(self) -> str:
        self.until(lambda: re.search(r"http://\S+", self.out.read_text()))
        found = re.search(r"http://\S+", self.out.read_text())
        assert found is not None
        return found[0]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    if run.process.poll() is None:
        run.process.terminate()
        run.process.wait(TIMEOUT_S)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find leftover processes")


def test_a_run_prints_an_address_that_responds_and_stops_without_a_trace(run: Run) -> None:
    address = run.address()
    with build_opener(HTTPCookieProcessor()).open(address) as answer:
        assert answer.status == 200
    running = run_file.find(run.data)
    assert running is not None
    assert "key" not in running.dashboard
    assert "simulation" in run.out.read_text()
    for login in ("", "anna:wrong@"):
        with pytest.raises(LinkError, match="Not authorized"):
            asyncio.run(learn_protocol(parse_url(running.gateways.replace("//", f"//{login}"))))
    command = [sys.executable, "-m", "pumpwatch", "interrogate", "--pumps", "0", "--data", str(run.data)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0
    broker_port = int(running.gateways.rpartition(":")[2])
    assert len(run.processes()) >= 5
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(TIMEOUT_S) == 0
    assert run.processes() == {}
    assert run_file.is_free("127.0.0.1", run.port)
    assert run_file.is_free("127.0.0.1", broker_port)
    assert run_file.find(run.data) is None
    assert "Traceback" not in run.log.read_text()


def test_every_part_of_a_run_is_restarted_when_it_is_killed(run: Run) -> None:
    run.address()
    for command, part in (
        ("broker", "broker"),
        ("process", "processor"),
        ("dashboard", "dashboard"),
        ("simulate", "simulator"),
    ):
        pid = next(pid for pid, line in run.processes().items() if f"pumpwatch {command}" in line)
        os.kill(pid, signal.SIGKILL)
        run.until(lambda part=part: f"{part} is running again" in run.log.read_text())


def test_a_killed_run_leaves_no_process_behind(run: Run) -> None:
    run.address()
    run.process.kill()
    run.process.wait()
    run.until(lambda: not run.processes())
    assert run_file.is_free("127.0.0.1", run.port)
