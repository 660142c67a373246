"""docker-compose.yml: its services' own commands, started here, and what it lets out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.mqtt import mosquitto_config as mosquitto_program

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PARTS = {"processor": "processor", "dashboard": "dashboard", "simulator": "simulator"}
END_S = 20.0


@contextmanager
def started(service: str, log: Path, **here: str) -> Iterator[subprocess.Popen[str]]:
    """Start a service's command on this machine; `here` replaces what its variables say of hosts, ports and paths."""
    program, *arguments = SERVICES[service]["command"]
    assert program == "pumpwatch"
    told = SERVICES[service]["environment"]
    assert here.keys() <= told.keys(), "a variable is mapped that the service does not set"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **told, **here}
    command = [sys.executable, "-m", "pumpwatch", *arguments]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=log.parent, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(END_S)


def ready(process: subprocess.Popen[str], log: Path) -> list[str]:
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:1] == ["READY"], log.read_text()
    return words


@pytest.mark.broker
def test_every_service_gets_ready_with_its_own_command(mosquitto: str, free_port: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    here = {"PUMPWATCH_BROKER": mosquitto, "PUMPWATCH_DATA": str(data)}
    screen = {"PUMPWATCH_HOST": "127.0.0.1", "PUMPWATCH_PORT": str(free_port)}
    logs = {service: tmp_path / service for service in PARTS}
    with (
        started("processor", logs["processor"], **here) as processor,
        started("simulator", logs["simulator"], **here) as simulator,
        started("dashboard", logs["dashboard"], **here, **screen) as dashboard,
    ):
        for service, process in (("processor", processor), ("simulator", simulator), ("dashboard", dashboard)):
            assert ready(process, logs[service])[1] == service
    assert [process.returncode for process in (processor, simulator, dashboard)] == [0, 0, 0]


@pytest.mark.broker
def test_the_dashboard_of_the_containers_refuses_to_start_without_accounts(
    mosquitto: str, free_port: int, tmp_path: Path
) -> None:
    log, data = tmp_path / "log", tmp_path / "data"
    here = {"PUMPWATCH_BROKER": mosquitto, "PUMPWATCH_DATA": str(data), "PUMPWATCH_PORT": str(free_port)}
    with started("dashboard", log, **here) as dashboard:
        assert dashboard.wait(END_S) == 1
    assert "pumpwatch user add" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.broker
async def test_mosquitto_takes_the_configuration_of_the_containers(
    mosquitto: str, free_port: int, tmp_path: Path
) -> None:
    assert "./mosquitto.conf:/mosquitto/config/mosquitto.conf:ro" in SERVICES["mosquitto"]["volumes"]
    text = (ROOT / "mosquitto.conf").read_text()
    here = text.replace("listener 1883", f"listener {free_port} 127.0.0.1").replace("/mosquitto/data/", f"{tmp_path}/")
    (tmp_path / "own.conf").write_text(here + ("user root\n" if os.geteuid() == 0 else ""))
    command = [sys.executable, "-m", "pumpwatch", "broker", "--config", str(tmp_path / "own.conf")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"READY broker mqtt://127.0.0.1:{free_port}\n"
        process.terminate()
    assert process.returncode == 0
    assert mosquitto_program.listener_of(text) == ("127.0.0.1", 1883)


def test_only_the_dashboard_is_published_and_to_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"dashboard": ["127.0.0.1:8050:8050"]}


def test_every_service_has_a_health_check() -> None:
    assert all("healthcheck" in service for service in SERVICES.values())


def test_the_parts_share_the_data_and_run_without_rights() -> None:
    for name in PARTS:
        assert SERVICES[name]["volumes"] == ["data:/data"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["environment"]["PUMPWATCH_DATA"] == "/data"
    assert "USER pumpwatch" in (ROOT / "Dockerfile").read_text()


def test_the_image_gets_every_package_of_the_project() -> None:
    copied = {line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {"pumpwatch", "broker", "simulator", "processor", "dashboard", "trials"}
    assert packages <= copied
    assert packages <= let_in
