"""`pumpwatch run` on a broker with TLS and behind a reverse proxy: the options reach every part and later commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pumpwatch.commands.run_config import Fleet
from pumpwatch.commands.run_parts import RunConfig, parts_of
from tests.broker.certificates import Authority, tls_mosquitto
from tests.conftest import ROOT

TIMEOUT_S = 90.0


def pumpwatch(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pumpwatch", *arguments, "--data", str(data)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=data, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.mark.broker
def test_a_run_on_a_broker_with_client_certificates_serves_later_commands(
    mosquitto: str, free_port: int, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with tls_mosquitto(Authority(tmp_path / "ca"), tmp_path, "require_certificate true") as broker:
        files = ("--ca-file", broker.ca_file, "--client-cert", broker.client_cert, "--client-key", broker.client_key)
        public = ("--public-url", "https://ward.example/pumps-ward/", "--trusted-proxy", "127.0.0.1")
        fleet = ("--pumps", "3", "--scenario", "none", "--port", str(free_port), "--data", str(data))
        url = ("--broker", f"mqtts://localhost:{broker.port}")
        command = [sys.executable, "-m", "pumpwatch", "run", *fleet, *url, *files, *public]
        with (tmp_path / "run.log").open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = next((line for line in process.stdout if "Open" in line), "")
            assert "https://ward.example/pumps-ward/?key=" in line, (tmp_path / "run.log").read_text()
            injected = pumpwatch("inject", "motor_stall", "--pumps", "1", data=data)
            assert "motor_stall begins on 1 pump" in injected.stdout, injected.stderr
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)
            process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("process", "--broker", "mqtts://localhost", "--ca-file", "absent"),
            "cannot read the CA file {data}/absent",
        ),
        (("process", "--broker", "mqtt://localhost", "--ca-file", "absent"), "write mqtts:// instead of mqtt://"),
        (("run", "--ca-file", "absent"), "name it with --broker mqtts://host"),
        (("clear", "--broker", "mqtts://localhost", "--client-key", "k"), "name it with --client-cert"),
        (("dashboard", "--public-url", "ward.example"), "'ward.example' is not an http or https address"),
        (("run", "--trusted-proxy", "nginx"), "trusted-proxy 'nginx' is not an address or network"),
        (("run", "--tls-cert", "absent", "--tls-key", "absent"), "tls-cert {data}/absent cannot be read: No such file"),
    ],
)
def test_options_that_cannot_work_end_the_command_with_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    answer = pumpwatch(*arguments, data=tmp_path)
    assert answer.returncode in {1, 2}
    assert sentence.format(data=tmp_path) in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_dashboard_of_a_run_is_told_its_public_address(tmp_path: Path) -> None:
    flags = ("--public-url", "https://ward.example/", "--trusted-proxy", "::1", "--trusted-proxy", "10.0.0.0/8")
    fleet = Fleet(3, 60.0, 1, None)
    config = RunConfig(tmp_path, fleet, None, 60.0, "auto", None, None, "::1", 8050, "key", dashboard_flags=flags)
    (dashboard,) = (part for part in parts_of(config) if part.name == "dashboard")
    assert " ".join(flags) in " ".join(dashboard.command)
