"""`pumpwatch keys` and `simulate --gateway-secret`: a Mosquitto of your own with the files that these commands make."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from broker.access import endpoints
from broker.access.credentials import credentials_of
from broker.access.password_lines import derived_password
from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.mosquitto_config import find
from broker.mqtt.topic_access import PROCESSOR
from broker.store import action_key
from pumpwatch.__main__ import app
from pumpwatch.commands.errors import CommandError
from tests.broker.access.conftest import Client
from tests.server_process import running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def pumpwatch(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--data", str(data)], env={"COLUMNS": "200"})


def done(data: Path, *words: str) -> Result:
    result = pumpwatch(data, *words)
    assert result.exit_code == 0, (result.exception, result.output)
    return result


def refused(data: Path, *words: str) -> str:
    result = pumpwatch(data, *words)
    assert isinstance(result.exception, CommandError), result.output
    return str(result.exception)


@pytest.mark.broker
async def test_a_mosquitto_of_your_own_runs_with_the_written_configuration(
    mosquitto: str, data: Path, tmp_path: Path
) -> None:
    free = endpoints.plan(tmp_path, "127.0.0.1", 0, tls=True)
    gateways, parts = free.port, free.system_port
    ports = ("--gateway-port", str(gateways), "--system-port", str(parts), "--system-host", "127.0.0.2")
    done(data, "keys", "init", "--host", "ward.example", "--simulated", "2", *ports, "--database", str(tmp_path))
    credentials = credentials_of(data)
    text = (credentials.mosquitto / "mosquitto.conf").read_text()
    here = text.replace("0.0.0.0", "127.0.0.1") + ("user root\n" if os.geteuid() == 0 else "")
    (tmp_path / "own.conf").write_text(here)
    program = find(os.environ.get("PATH"))
    with running([str(program), "-c", str(tmp_path / "own.conf")], gateways, tmp_path / "log"):
        login = derived_password(credentials.fleet_secret(), "gateway-01")
        ca_file = f"?ca_file={credentials.mosquitto / 'ca.pem'}"
        gateway = parse_url(f"mqtts://localhost:{gateways}{ca_file}").for_user("gateway-01", login)
        part = parse_url(credentials.url(PROCESSOR, f"127.0.0.2:{parts}"))
        for client in (Client.at(gateway), Client.at(part)):
            await client.link.open()
            await client.link.close()
        with pytest.raises(LinkError, match="Not authorized"):
            await Client.at(replace(gateway, password="wrong")).link.open()


def test_certificates_and_passwords_are_listed_renewed_and_revoked(data: Path, tmp_path: Path) -> None:
    assert "pumpwatch keys init --host NAME" in refused(data, "keys", "renew")
    assert "without port" in refused(data, "keys", "init", "--host", "ward.example:8883")
    assert "leave no 8884 for the parts" in refused(
        data, "keys", "init", "--host", "ward.example", "--system-port", "8884"
    )
    done(data, "keys", "init", "--host", "ward.example")
    assert "already" in refused(data, "keys", "init", "--host", "ward.example")
    done(data, "gateway", "add", "ward-3", "--certificate", "--out", str(tmp_path))
    password = json.loads(done(data, "gateway", "add", "ward-4", "--json").stdout)["password"]
    before = listed(data)
    assert before["broker"]["for"] == "ward.example, localhost, 127.0.0.1, ::1"
    assert before["ward-3"]["expires"] is not None
    assert "there is no directory" in refused(
        data, "gateway", "add", "x", "--certificate", "--out", str(tmp_path / "x")
    )
    first = (tmp_path / "ward-3.pem").read_bytes()
    done(data, "keys", "renew", "ward-3", "--out", str(tmp_path))
    assert (tmp_path / "ward-3.pem").read_bytes() != first
    assert json.loads(done(data, "keys", "renew", "ward-4", "--json").stdout)["password"] != password
    done(data, "keys", "renew", "--host", "other.example")
    assert listed(data)["broker"]["for"].startswith("other.example")
    part = credentials_of(data).password_file(PROCESSOR)
    secret = part.read_bytes()
    done(data, "keys", "renew", PROCESSOR)
    assert part.read_bytes() != secret
    for name in ("ward-3", "ward-4"):
        done(data, "keys", "revoke", name)
        assert "there is no gateway" in refused(data, "keys", "revoke", name)
    assert {"ward-3", "ward-4"}.isdisjoint(listed(data))
    journal = done(data, "journal", "--json").output
    assert journal.count("key_changed") == 9


def listed(data: Path) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in json.loads(done(data, "keys", "list", "--json").stdout)}


@pytest.mark.parametrize(
    ("secret", "flags", "sentence"),
    [
        (None, ("--gateway-secret", "{secret}"), "cannot read the gateway secret"),
        ("short", ("--gateway-secret", "{secret}"), "is too short"),
        (None, ("--gateway-broker", "mqtts://broker.example"), "needs --gateway-secret"),
    ],
)
def test_a_gateway_secret_that_cannot_be_used_is_refused(
    secret: str | None, flags: tuple[str, ...], sentence: str, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if secret is not None:
        file.write_text(secret)
    words = [flag.format(secret=file) for flag in flags]
    assert sentence in refused(data, "simulate", "--broker", "mqtt://broker.example", *words)


def test_the_key_that_signs_commands_is_replaced(data: Path) -> None:
    before = action_key.signer(data).public.id
    told = done(data, "keys", "renew", "_action").stderr
    current = action_key.signer(data).public.id
    assert current != before
    assert f"commands are signed with key {current}" in told
    assert [key.id for key in action_key.read(data / action_key.PUBLIC).keys] == [current, before]
