"""The AsyncAPI document by its official parser, and the example flow in a real Node-RED; needs npm."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from broker.contract.codec import decode
from broker.mqtt.endpoint import free_port
from pumpwatch.documentation.channels import CHANNELS
from pumpwatch.documentation.message_examples import STRUCTS
from tests.conftest import ROOT, missing

INSTALLED = ROOT / "build" / "contracts"
PACKAGES = ("@asyncapi/parser@3.6.6", "node-red@4.1.8")
PATIENCE_S = 120.0
FLOW = ROOT / "docs" / "examples" / "node-red-flow.json"


@pytest.fixture(scope="module")
def npm() -> Path:
    """The folder with the packages of npm, which are installed once."""
    if shutil.which("npm") is None:
        missing("npm")
    if not (INSTALLED / "node_modules" / "node-red").exists():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
        done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            missing(f"one of {', '.join(PACKAGES)}")
    return INSTALLED


def test_the_official_parser_finds_nothing_to_complain_about(npm: Path) -> None:
    command = ["node", str(Path(__file__).with_name("parse.mjs")), str(npm), str(ROOT / "docs/reference/asyncapi.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{len(CHANNELS)} channels")


@pytest.fixture
def node_red(npm: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a Node-RED without flows, and the file of what it prints."""
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "settings.js").write_text("module.exports = { uiHost: '127.0.0.1', telemetry: { enabled: false } };")
    command = ["node", str(npm / "node_modules/node-red/red.js"), "--userDir", str(tmp_path), "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen([*command, "--settings", str(tmp_path / "settings.js")], stdout=out, stderr=out)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{address}/flows").status_code == 200, log)
        yield address, log
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_for(condition: Any, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def test_node_red_imports_the_flow_sends_samples_and_shows_alarms(node_red: tuple[str, Path], mosquitto: str) -> None:
    address, log = node_red
    port = str(urlsplit(mosquitto).port)
    flow = json.loads(FLOW.read_text())
    for node in flow:
        if node["type"] == "mqtt-broker":
            node |= {"broker": "127.0.0.1", "port": port}
    assert httpx.post(f"{address}/flows", json=flow).status_code == 204
    heard = subprocess.run(
        ["mosquitto_sub", "-p", port, "-t", "itb/19/mine/telemetry", "-C", "2", "-W", "60"],
        capture_output=True,
        check=False,
    )
    decoded = decode(heard.stdout)
    assert decoded.rejected == ()
    assert decoded.samples["pump"].to_list() == ["NR-1", "NR-1"]
    event = msgspec.json.encode(STRUCTS["alarmEvent"][0]).decode()
    topic = ["-t", "pumpwatch/alarms/high", "-q", "1"]
    subprocess.run(["mosquitto_pub", "-p", port, *topic, "-m", event], check=True)
    wait_for(lambda: "Motor stall · MY-1 · unacknowledged" in log.read_text(), log)
