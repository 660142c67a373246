"""The commands of the services of docker-compose.yml, run on this machine in order, with TLS and logins."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PARTS = ("processor", "dashboard", "simulator")
LASTING = ("mosquitto", *PARTS)
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


@contextmanager
def started(command: list[str], log: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
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


def pumpwatch(arguments: list[str]) -> list[str]:
    program, *rest = arguments
    assert program == "pumpwatch"
    return [sys.executable, "-m", "pumpwatch", *rest]


class Here:
    """The services' commands and variables, with paths, host names and ports of this machine."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.keys = self.data / "secrets/broker"
        self.database = directory / "database"
        self.database.mkdir()
        with ExitStack() as stack:
            taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            self.gateway_port, self.system_port, self.web_port = (each.getsockname()[1] for each in taken)

    def make_keys(self) -> None:
        """Run the command of the service `keys`; later options replace the places in containers."""
        places = ["--mosquitto-path", str(self.keys / "mosquitto"), "--database", str(self.database)]
        ports = ["--gateway-port", str(self.gateway_port), "--system-port", str(self.system_port)]
        command = [*pumpwatch(SERVICES["keys"]["entrypoint"]), *places, *ports, "--data", str(self.data)]
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
        if os.geteuid() == 0:
            with (self.keys / "mosquitto/mosquitto.conf").open("a") as configuration:
                configuration.write("user root\n")

    def add_account(self) -> None:
        command = pumpwatch(["pumpwatch", "user", "add", "vera", "--role", "engineer", "--password-stdin"])
        password = "a long enough password\n"
        subprocess.run([*command, "--data", str(self.data)], check=True, cwd=ROOT, input=password, text=True)

    def variables(self, service: str) -> dict[str, str]:
        """Return the service's environment; each secret is the file that the service `keys` made for it."""
        replaced = {
            "mosquitto:8885": f"localhost:{self.system_port}",
            "mosquitto:8883": f"localhost:{self.gateway_port}",
            "/data/": f"{self.data}/",
            "8050": str(self.web_port),
            "0.0.0.0": "127.0.0.1",
        }
        for name in SERVICES[service].get("secrets", ()):
            file = COMPOSE["secrets"][name]["file"]
            assert file.startswith("./keys/")
            replaced[f"/run/secrets/{name}"] = str(self.keys / file.removeprefix("./keys/"))
        found = {"PUMPWATCH_DATA": str(self.data), **SERVICES[service].get("environment", {})}
        for there, here in replaced.items():
            found = {name: value.replace(there, here) for name, value in found.items()}
        return found

    def wait_until_healthy(self, service: str) -> None:
        """Run the service's health check until it succeeds."""
        program, option, check = SERVICES[service]["healthcheck"]["test"][1:]
        assert (program, option) == ("python", "-c")
        here = {"22B5": f"{self.system_port:04X}", "22B3": f"{self.gateway_port:04X}", "/data/": f"{self.data}/"}
        for there, replaced in here.items():
            check = check.replace(there, replaced)
        end = time.monotonic() + START_TIMEOUT_S
        while subprocess.run([sys.executable, "-c", check], check=False).returncode:
            assert time.monotonic() < end, f"{service} is not healthy"


def mosquitto_program() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("mosquitto is not installed")
    return found


@pytest.mark.broker
def test_the_commands_of_all_services_run_in_order_with_tls_and_logins(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.make_keys()
    here.add_account()
    logs = {service: tmp_path / f"{service}.log" for service in LASTING}
    broker = [mosquitto_program(), "-c", str(here.keys / "mosquitto/mosquitto.conf")]
    with ExitStack() as stack:
        stack.enter_context(started(broker, logs["mosquitto"], {}))
        processes = {
            service: stack.enter_context(
                started(pumpwatch(SERVICES[service]["command"]), logs[service], here.variables(service))
            )
            for service in PARTS
        }
        for service, process in processes.items():
            assert ready(process, logs[service])[1] == service
        for service in ("processor", "simulator"):
            here.wait_until_healthy(service)
        listed = subprocess.run(
            pumpwatch(["pumpwatch", "alarms", "--json", "--data", str(here.data)]),
            check=False,
            cwd=ROOT,
            capture_output=True,
        )
        assert listed.returncode == 0, "the processor has written no snapshot"
    assert [process.returncode for process in processes.values()] == [0, 0, 0]
    assert "not authori" not in "".join(log.read_text().lower() for log in logs.values())


@pytest.mark.broker
def test_the_health_check_of_the_broker_logs_in_over_tls(tmp_path: Path) -> None:
    here = Here(tmp_path)
    here.make_keys()
    folder = str(here.keys / "mosquitto")
    test = [word.replace("$$", "$") for word in SERVICES["mosquitto"]["healthcheck"]["test"][1:]]
    test = [word.replace("/run/mosquitto", folder).replace("8885", str(here.system_port)) for word in test]
    log = tmp_path / "log"
    with started([mosquitto_program(), "-c", f"{folder}/mosquitto.conf"], log, {}):
        for _ in range(50):
            done = subprocess.run(
                test,
                env={**os.environ, "XDG_CONFIG_HOME": folder},
                check=False,
                capture_output=True,
                text=True,
                timeout=10,
            )
            if done.returncode == 0:
                break
        assert done.stdout.startswith("mosquitto version"), done.stderr + log.read_text()
        nobody = {**os.environ, "XDG_CONFIG_HOME": "/nowhere"}
        stranger = subprocess.run(test, env=nobody, check=False, capture_output=True)
        assert stranger.returncode != 0


def test_the_dashboard_service_refuses_to_start_without_accounts(tmp_path: Path) -> None:
    here, log = Here(tmp_path), tmp_path / "log"
    here.make_keys()
    variables = {
        **here.variables("dashboard"),
        "PUMPWATCH_HOST": SERVICES["dashboard"]["environment"]["PUMPWATCH_HOST"],
    }
    with started(pumpwatch(SERVICES["dashboard"]["command"]), log, variables) as dashboard:
        assert dashboard.wait(START_TIMEOUT_S) == 1
    assert "pumpwatch user add" in log.read_text()
    assert "Traceback" not in log.read_text()
