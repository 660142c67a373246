"""The files of `deploy/` for a cluster: valid, hardened, and with the settings that nodes ask for."""

from __future__ import annotations

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator

from broker.contract.messages import MAX_MESSAGE_BYTES
from cluster.nats_server import ACK_WAIT_S, find, max_ack_pending

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "cluster" / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "pumpwatch.yaml").read_text()))
NAMES = [f"{each['kind']} {each['metadata']['name']}" for each in OBJECTS]
PODS = [each["spec"]["template"]["spec"] for each in OBJECTS if each["kind"] == "Deployment"]
RANGES = 8
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


@pytest.mark.parametrize("pod", PODS, ids=["node", "dashboard"])
def test_every_pod_runs_as_nobody_special_on_a_read_only_root(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["readinessProbe"]
        assert "pumpwatch-data" in [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if volume["name"] == "data" and {"name": "data", "mountPath": "/data"} in container["volumeMounts"]
        ]


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
    told = [str(SERVICES["node"]["environment"]["PUMPWATCH_RANGES"])]
    told += [each["value"] for each in PODS[0]["containers"][0]["env"] if each["name"] == "PUMPWATCH_RANGES"]
    assert told == [str(RANGES)] * 2


def test_the_server_itself_accepts_its_file(tmp_path: Path) -> None:
    text = (DEPLOY / "cluster" / "nats.conf").read_text().replace('"/store"', f'"{tmp_path}"')
    (tmp_path / "nats.conf").write_text(text)
    checked = subprocess.run(
        [find(), "-t", "--config", tmp_path / "nats.conf"],
        env={"NATS_PASSWORD": "secret"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (checked.returncode, "is valid" in checked.stderr) == (0, True), checked.stderr
