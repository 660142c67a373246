"""docker-compose.yml: the commands of its services, run on this machine, and what it exposes."""

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

from broker.mqtt import mosquitto_config

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PARTS = {"processor": "processor", "dashboard": "dashboard", "simulator": "simulator"}
STOP_TIMEOUT_S = 20.0


@contextmanager
def started(service: str, log: Path, **here: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command of a service on this machine; `here` overrides its variables for hosts, ports and paths."""
    program, *arguments = SERVICES[service]["command"]
    assert program == "pumpwatch"
    variables = SERVICES[service]["environment"]
    assert here.keys() <= variables.keys(), "an overridden variable is not set by the service"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables, **here}
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
            process.wait(STOP_TIMEOUT_S)


def ready(process: subprocess.Popen[str], log: Path) -> list[str]:
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:1] == ["READY"], log.read_text()
    return words


@pytest.mark.broker
def test_the_command_of_every_service_starts_and_becomes_ready(mosquitto: str, free_port: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    here = {"PUMPWATCH_BROKER": mosquitto, "PUMPWATCH_DATA": str(data)}
    address = {"PUMPWATCH_HOST": "127.0.0.1", "PUMPWATCH_PORT": str(free_port)}
    logs = {service: tmp_path / service for service in PARTS}
    with (
        started("processor", logs["processor"], **here) as processor,
        started("simulator", logs["simulator"], **here) as simulator,
        started("dashboard", logs["dashboard"], **here, **address) as dashboard,
    ):
        for service, process in (("processor", processor), ("simulator", simulator), ("dashboard", dashboard)):
            assert ready(process, logs[service])[1] == service
    assert [process.returncode for process in (processor, simulator, dashboard)] == [0, 0, 0]


@pytest.mark.broker
def test_the_dashboard_service_refuses_to_start_without_accounts(
    mosquitto: str, free_port: int, tmp_path: Path
) -> None:
    log, data = tmp_path / "log", tmp_path / "data"
    here = {"PUMPWATCH_BROKER": mosquitto, "PUMPWATCH_DATA": str(data), "PUMPWATCH_PORT": str(free_port)}
    with started("dashboard", log, **here) as dashboard:
        assert dashboard.wait(STOP_TIMEOUT_S) == 1
    assert "pumpwatch user add" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.broker
async def test_mosquitto_accepts_the_configuration_of_its_service(
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
    assert mosquitto_config.listener_of(text) == ("127.0.0.1", 1883)


def test_only_the_dashboard_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"dashboard": ["127.0.0.1:8050:8050"]}


def test_every_service_has_a_health_check() -> None:
    assert all("healthcheck" in service for service in SERVICES.values())


def test_services_share_the_data_volume_and_run_without_privileges() -> None:
    for name in PARTS:
        assert SERVICES[name]["volumes"] == ["data:/data"]
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["environment"]["PUMPWATCH_DATA"] == "/data"
    assert "USER pumpwatch" in (ROOT / "Dockerfile").read_text()


def test_the_image_contains_every_package_of_the_project() -> None:
    copied = {line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")}
    included = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {"pumpwatch", "broker", "simulator", "processor", "dashboard", "trials"}
    assert packages <= copied
    assert packages <= included
