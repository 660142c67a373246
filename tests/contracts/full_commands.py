"""Commands and clients in README and docs, run against a small real system: part of `make contracts`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from broker.mqtt.endpoint import free_port
from pumpwatch.supervision import run_file
from tests.conftest import missing
from tests.pumpwatch.documentation.code_blocks import ROOT, Block, Command, blocks, commands
from tests.pumpwatch.documentation.command_runs import invoke, of, run_all
from tests.pumpwatch.documentation.treatments import LIVE, MQTT, treatment_of

PATIENCE_S = 60.0
TIMED_OUT = 27
"""Exit code of mosquitto_sub when nothing came in the time of -W."""
ELSEWHERE = ("-h", "--cafile")
"""Options of mosquitto clients on another machine."""


@dataclass
class System:
    """A small running system, outside of whose data directory nothing is written."""

    data: Path
    work: Path

    @property
    def places(self) -> dict[str, str]:
        return {"/var/lib/pumpwatch-2": str(self.work / "restored"), "/var/lib/pumpwatch": str(self.data)}


def ready(data: Path, log: Path) -> str | None:
    """Return None if a system answers; else what it says."""
    if "http://" not in log.read_text():
        return "not yet"
    code, said = invoke(data, ["interrogate", "--pumps", "0-11"])
    return None if code == 0 else said


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    work = tmp_path_factory.mktemp("docs")
    data = work / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PUMPWATCH_")}
    flags = ["--data", str(data), "--pumps", "12", "--gateways", "1", "--scenario", "none", "--port", str(free_port())]
    with (work / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pumpwatch", "run", *flags],
            cwd=work,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while (answer := ready(data, work / "log")) is not None:
            assert process.poll() is None, (work / "log").read_text()
            assert time.monotonic() < deadline, f"{answer}\n{(work / 'log').read_text()}"
            time.sleep(0.2)
        yield System(data, work)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def test_commands_on_a_running_system(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(system.work)
    invoke(system.data, ["keys", "init", "--host", "pumps.ward.example"])
    assert run_all(of(LIVE), system.data, system.places) == []


def mqtt_blocks() -> list[Block]:
    return [
        block for block in blocks() if block.language == "sh" and re.search("^mosquitto_", block.text, re.MULTILINE)
    ]


@pytest.mark.parametrize("block", mqtt_blocks(), ids=str)
def test_mosquitto_clients_are_let_in(block: Block, system: System) -> None:
    if shutil.which("mosquitto_pub") is None or shutil.which("mosquitto") is None:
        missing("mosquitto")
    for command in commands(block):
        if treatment_of(command.name) == MQTT and not set(ELSEWHERE) & set(command.words):
            done = mosquitto(command, system)
            assert done.returncode in {0, TIMED_OUT}, f"{command}: {done.stderr}"


def mosquitto(command: Command, system: System) -> subprocess.CompletedProcess[str]:
    """Run a mosquitto client as the page says, with what its placeholders mean here."""
    user = command.words[command.words.index("-u") + 1]
    port = str(urlsplit(run_file.broker_of(None, system.data)).port)
    password = ""
    if user.startswith("_"):
        password = (system.data / "secrets" / "broker" / f"{user[1:]}.password").read_text().strip()
    else:
        invoke(system.data, ["gateway", "remove", user])
        said = invoke(system.data, ["gateway", "add", user])[1]
        found = re.search(r"mosquitto_pub -h \S+ -p (\d+) -u \S+ -P (\S+)", said)
        assert found, said
        port, password = found[1], found[2]
        time.sleep(1.5)  # the broker applies it within a second
    words = [{"PORT": port, "PASSWORD": password, "ID": "docs"}.get(word, word) for word in command.words]
    words = [password if word.startswith("$(cat DATA/") else word for word in words]
    words = [word.replace("/ID", "/docs") for word in words]
    wait = ["-W", "1"] if command.words[0] == "mosquitto_sub" and "-E" not in words else []
    return subprocess.run(
        [*words, *wait], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
    )


def test_the_python_client_in_the_docs_sends_samples_that_are_stored(system: System, tmp_path: Path) -> None:
    (block,) = [b for b in blocks() if b.page == "docs/connect-a-client.md" and b.language == "python"]
    (tmp_path / "client.py").write_text(block.text)
    invoke(system.data, ["gateway", "remove", "mine"])
    said = invoke(system.data, ["gateway", "add", "mine"])[1]
    found = re.search(r"-p (\d+) -u mine -P (\S+)", said)
    assert found, said
    time.sleep(1.5)
    done = subprocess.run(
        [sys.executable, "client.py", found[1], found[2]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "has stored all samples" in done.stdout, done.stderr
