"""The files of `deploy/` for a cluster: valid, hardened, and with the settings that nodes ask for."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator

from broker.contract.messages import MAX_MESSAGE_BYTES
from broker.mqtt.address import parse_url
from cluster.nats_server import ACK_WAIT_S, REPLICAS, find, max_ack_pending

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "cluster" / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "pumpwatch.yaml").read_text()))
NAMES = [f"{each['kind']} {each['metadata']['name']}" for each in OBJECTS]
PODS = [each["spec"]["template"]["spec"] for each in OBJECTS if each["kind"] == "Deployment"]
RANGES = 8
NATS = ["nats-1", "nats-2", "nats-3"]
REFERENCE = (DEPLOY.parent / "docs" / "reference" / "cli.md").read_text()


def test_the_compose_file_validates_and_its_services_have_no_rights_to_spare() -> None:
    errors = Draft202012Validator(get_builtin_schema("vendor.compose-spec")).iter_errors(COMPOSE)
    assert [error.message for error in errors] == []
    for name, service in SERVICES.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert service["pids_limit"]
        # One command gives the store to the server, and ends.
        assert service["user"] == "10001:10001" or (name, service["cap_add"]) == ("owner", ["CHOWN"])
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"dashboard": ["127.0.0.1:${DASHBOARD_PORT:-8050}:8050"]}


@pytest.mark.parametrize("described", OBJECTS, ids=NAMES)
def test_kubernetes_knows_every_field(described: dict[str, Any]) -> None:
    kubernetes_validate.validate(described, "1.33", strict=True)
    misspelled = copy.deepcopy(described)
    misspelled["spec"]["replicsa"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelled, "1.33", strict=True)


@pytest.mark.parametrize("pod", PODS, ids=["node", "dashboard", "simulator"])
def test_every_pod_runs_as_nobody_special_on_a_read_only_root(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    for container in pod["containers"]:
        assert container["resources"]["limits"]["memory"]
        assert container["readinessProbe"]
        assert "pumpwatch-data" in [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if volume["name"] == "data" and {"name": "data", "mountPath": "/data"} in container["volumeMounts"]
        ]


def test_three_servers_know_each_other_and_each_keeps_its_own_disk() -> None:
    servers = {name: service for name, service in SERVICES.items() if name.startswith("nats-")}
    assert [service["environment"]["NATS_NAME"] for service in servers.values()] == list(servers) == NATS
    assert len({service["volumes"][1] for service in servers.values()}) == 3
    assert {volume.split(":")[0] for volume in SERVICES["owner"]["volumes"]} < set(COMPOSE["volumes"])
    routes = [
        urlsplit(each).hostname for each in json.loads(substituted(servers["nats-1"]["environment"]["NATS_ROUTES"]))
    ]
    assert routes == NATS
    node = SERVICES["node"]["environment"]
    assert [urlsplit(each).hostname for each in substituted(node["PUMPWATCH_CLUSTER"]).split(",")] == NATS
    address = parse_url(substituted(node["PUMPWATCH_BROKER"]))
    assert [address.host, *(host for host, _ in address.more)] == NATS


def test_every_command_has_the_options_that_it_is_given() -> None:
    commands = [service["command"] for service in SERVICES.values() if service.get("command", [""])[0] == "pumpwatch"]
    commands += [container["command"] for pod in PODS for container in pod["containers"]]
    assert len(commands) == 7
    for _, command, *words in commands:
        options = {word for word in words if word.startswith("--")}
        text = REFERENCE.partition(f"## pumpwatch {command}\n")[2].partition("\n## ")[0] if command != "--help" else ""
        assert {word for word in options if f"`{word}`" not in text} == set(), command


def substituted(text: str) -> str:
    """Return a value of the Compose file as Compose passes it on."""
    return re.sub(r"\$\{NATS_PASSWORD[^}]*\}", "secret", text)


def test_machines_share_one_claim() -> None:
    claim = next(each for each in OBJECTS if each["kind"] == "PersistentVolumeClaim")
    assert (claim["metadata"]["name"], claim["spec"]["accessModes"]) == ("pumpwatch-data", ["ReadWriteMany"])


def test_every_variable_is_a_setting() -> None:
    texts = [(DEPLOY / "cluster" / "compose.yml").read_text(), (DEPLOY / "kubernetes" / "pumpwatch.yaml").read_text()]
    named = {name for text in texts for name in re.findall(r"\bPUMPWATCH_[A-Z_]+", text)}
    assert len(named) > 8
    assert {name for name in named if f"`{name}`" not in REFERENCE} == set()


def test_servers_are_set_as_nodes_ask_for_and_only_then_used() -> None:
    config = (DEPLOY / "cluster" / "nats.conf").read_text()
    found = dict(re.findall(r"^\s*(\w+): (\S+)$", config, re.MULTILINE))
    values = yaml.safe_load((DEPLOY / "kubernetes" / "nats-values.yaml").read_text())["config"]
    chart = {**values["merge"], **values["mqtt"]["merge"], **values["jetstream"]["merge"]}
    for given in (found, chart):
        assert given["sync_interval"] == "always"
        assert int(given["max_ack_pending"]) == max_ack_pending(RANGES)
        assert int(given["max_payload"]) == MAX_MESSAGE_BYTES
        assert str(given["ack_wait"]).strip('"') == f"{ACK_WAIT_S}s"
        assert int(given["stream_replicas"]) == REPLICAS
    told = [str(SERVICES["node"]["environment"]["PUMPWATCH_RANGES"])]
    told += [each["value"] for each in PODS[0]["containers"][0]["env"] if each["name"] == "PUMPWATCH_RANGES"]
    assert told == [str(RANGES)] * 2


def test_the_server_itself_accepts_its_file(tmp_path: Path) -> None:
    text = (DEPLOY / "cluster" / "nats.conf").read_text().replace('"/store"', f'"{tmp_path}"')
    (tmp_path / "nats.conf").write_text(text)
    checked = subprocess.run(
        [find(), "-t", "--config", tmp_path / "nats.conf"],
        env={name: substituted(value) for name, value in SERVICES["nats-2"]["environment"].items()},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (checked.returncode, "is valid" in checked.stderr) == (0, True), checked.stderr
