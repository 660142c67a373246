"""Load tests with workers, and the knee of three runs, on real systems; part of `make chaos`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.mqtt.endpoint import free_port

COMMAND = (sys.executable, "-m", "pumpwatch")


def spawn(*words: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    )


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """A running system, and the options of two workers at it."""
    data = tmp_path_factory.mktemp("system")
    port = free_port("127.0.0.1")
    flags = ("--pumps", "20", "--port", str(free_port("127.0.0.1")), "--gateway-port", str(port))
    running = spawn("run", "--data", str(data), *flags, PUMPWATCH_TRACE="1")
    try:
        deadline = time.monotonic() + 120
        while not (data / "run.json").exists():
            assert time.monotonic() < deadline, "the system did not start"
            time.sleep(0.2)
        workers = []
        for name in ("worker-1", "worker-2"):
            shown = subprocess.run(
                [*COMMAND, "gateway", "add", name, "--data", str(data)], capture_output=True, text=True, check=True
            )
            password = next(line.split()[1] for line in shown.stdout.splitlines() if line.startswith("password"))
            file = data / f"{name}.password"
            file.touch(mode=0o600)
            file.write_text(password)
            workers.append(f"mqtt://{name}@127.0.0.1:{port}")
        yield data, workers
    finally:
        running.terminate()
        running.communicate(timeout=60)


def worker(data: Path, url: str, **variables: str) -> subprocess.Popen[str]:
    name = url.partition("//")[2].partition("@")[0]
    secret = data / "secrets" / "broker" / "fleet.secret"
    files = (f"--password-file={data / name}.password", f"--gateway-secret={secret}")
    process = spawn("load", "--worker", "--broker", url, *files, **variables)
    assert process.stderr is not None
    assert "waits for orders" in process.stderr.readline()
    return process


def test_two_workers_share_the_pumps_and_their_clocks_are_compared(system, tmp_path):
    data, urls = system
    workers = [worker(data, url) for url in urls]
    try:
        file = tmp_path / "run.json"
        flags = ("--pumps", "200", "--ramp", "2s", "--hold", "8s", "--no-browser", f"--json={file}")
        done = spawn("load", "smoke", *flags, f"--processor-data={data}", "--workers", "2")
        _, said = done.communicate(timeout=120)
        result = json.loads(file.read_text())
        (stage,) = result["stages"]
        assert done.returncode == 0, said
        assert (stage["made"], stage["lost"]["shown"]) == (stage["offered"], 0)
        for name in ("worker worker-1", "worker worker-2"):
            clock = result["clock_offsets"][name]
            assert abs(clock["ahead_ms"]) <= clock["uncertainty_ms"], "they have the clock of this machine"
    finally:
        for process in workers:
            process.terminate()
            process.communicate(timeout=60)


def test_a_worker_whose_clock_is_wrong_is_corrected_by_how_far_it_is_off(system, tmp_path):
    """As on another machine; Debian's libfaketime sets the clock of one process."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed (apt install libfaketime)")
    data, urls = system
    late = {"LD_PRELOAD": str(library), "FAKETIME": "-2.5s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    workers = [worker(data, urls[0]), worker(data, urls[1], **late)]
    try:
        file = tmp_path / "run.json"
        flags = ("--pumps", "200", "--ramp", "2s", "--hold", "8s", "--no-browser", f"--json={file}")
        done = spawn("load", "smoke", *flags, f"--processor-data={data}", "--workers", "2")
        _, said = done.communicate(timeout=120)
        result = json.loads(file.read_text())
        assert done.returncode == 0, said
        clock = result["clock_offsets"]["worker worker-2"]
        assert abs(clock["ahead_ms"] + 2500) <= clock["uncertainty_ms"] + 1
        (stage,) = result["stages"]
        assert stage["latency"]["shown"]["p99"] < 2.5, "the wrong clock is not taken for latency"
    finally:
        for process in workers:
            process.terminate()
            process.communicate(timeout=60)


def test_a_worker_that_is_killed_makes_the_run_void_with_the_evidence(system, tmp_path):
    data, urls = system
    workers = [worker(data, url) for url in urls]
    try:
        file = tmp_path / "run.json"
        flags = ("--pumps", "100", "--ramp", "1s", "--hold", "60s", "--no-browser", f"--json={file}")
        running = spawn("load", "smoke", *flags, f"--processor-data={data}", "--workers", "2")
        assert running.stderr is not None
        assert any("stage 1 of 1" in line for line in iter(running.stderr.readline, ""))
        time.sleep(3)
        workers[0].send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        assert running.returncode == 2
        (why,) = json.loads(file.read_text())["void_reasons"]
        assert why.startswith("worker worker-1 was lost: its connection to the broker ended; it had made")
    finally:
        for process in workers:
            process.kill()
            process.communicate(timeout=60)


def test_the_knee_of_three_runs_lies_within_five_percent(tmp_path):
    """Needs a machine that does nothing else."""
    file = tmp_path / "knee.json"
    flags = ("--hold", "10s", "--ramp", "5s", "--repeat", "3", "--no-browser", f"--json={file}")
    done = spawn("load", "breakpoint", "--find-knee=messages", *flags)
    _, said = done.communicate(timeout=3600)
    found = json.loads(file.read_text())["knee"]
    assert found["load"], said
    assert found["blame"], said
    knees = found["loads"]
    assert max(knees) - min(knees) <= 0.05 * max(knees), knees
