"""docker-compose.yml and Dockerfile as texts: valid, and every service hardened."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator

from broker.store.snapshot_files import MANIFEST

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LASTING = ("mosquitto", "processor", "dashboard", "simulator", "notifier")


def test_the_file_validates_against_the_compose_specification() -> None:
    validator = Draft202012Validator(get_builtin_schema("vendor.compose-spec"))
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    misspelled = {"services": {"broker": {"image": "x", "read_onyl": True}}}
    assert list(validator.iter_errors(misspelled))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp:size=64m,mode=1777"]
    assert service["mem_limit"]
    assert 0 < service["pids_limit"] <= 200
    assert service["ulimits"]["nofile"] == 20000
    assert service["logging"]["options"]["max-size"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & service.keys()
    assert not [volume for volume in service.get("volumes", ()) if "docker.sock" in volume]


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_has_a_health_check_and_comes_back_after_a_crash(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert name == "mosquitto" or SERVICES[name]["depends_on"] == {"mosquitto": {"condition": "service_healthy"}}


def test_health_checks_look_for_connections_to_the_ports_of_the_broker_and_for_the_snapshot() -> None:
    def check(name: str) -> str:
        return str(SERVICES[name]["healthcheck"]["test"][-1])

    assert f":{8885:04X}" in check("processor")
    assert f"/data/snapshot/{MANIFEST}" in check("processor")
    assert f":{8883:04X}" in check("simulator")


def test_only_the_dashboard_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"dashboard": ["127.0.0.1:${DASHBOARD_PORT:-8050}:8050"]}


def test_gateways_meet_the_broker_alone_and_only_the_dashboard_meets_browsers() -> None:
    networks = {name: set(service.get("networks", ())) for name, service in SERVICES.items()}
    assert {name for name, found in networks.items() if "gateways" in found} == {"mosquitto", "simulator"}
    assert networks["simulator"] == {"gateways"}
    assert {name for name, found in networks.items() if "browsers" in found} == {"dashboard"}
    assert SERVICES["keys"]["network_mode"] == "none"
    assert [name for name, options in COMPOSE["networks"].items() if not options.get("internal")] == [
        *("browsers", "outside")
    ]
    assert networks["notifier"] == {"outside"}
    assert [name for name, found in networks.items() if "outside" in found] == ["notifier"]


def test_each_part_has_its_own_login_and_no_other() -> None:
    given = {name: set(service.get("secrets", ())) - {"authority"} for name, service in SERVICES.items()}
    assert given == {
        "mosquitto": set(),
        "processor": {"processor-password"},
        "dashboard": {"dashboard-password", "dashboard-certificate", "dashboard-key"},
        "simulator": {"simulator-password", "gateway-secret"},
        "notifier": set(),
        "admin": {"operator-password"},
        "keys": set(),
    }
    users = {
        name: service["environment"]["PUMPWATCH_BROKER"].split("//")[1].split("@")[0]
        for name, service in SERVICES.items()
        if "PUMPWATCH_BROKER" in service.get("environment", {})
    }
    assert users == {
        "processor": "_processor",
        "dashboard": "_dashboard",
        "simulator": "_simulator",
        "admin": "_operator",
    }


def test_the_dashboard_speaks_tls_with_a_certificate_that_can_be_replaced() -> None:
    variables = SERVICES["dashboard"]["environment"]
    assert variables["PUMPWATCH_TLS_CERT"] == "/run/secrets/dashboard-certificate"
    assert variables["PUMPWATCH_TLS_KEY"] == "/run/secrets/dashboard-key"
    assert "https://localhost:8050/healthz" in SERVICES["dashboard"]["healthcheck"]["test"][-1]


def test_the_authority_and_all_passwords_are_within_reach_of_administrators_only() -> None:
    whole = {name for name, service in SERVICES.items() if "./keys:/data/secrets/broker" in service.get("volumes", ())}
    assert whole == {"keys", "admin"}
    assert all("admin" in SERVICES[name]["profiles"] for name in whole)
    assert SERVICES["mosquitto"]["volumes"][0] == "./keys/mosquitto:/run/mosquitto:ro"
    assert "secrets:/data/secrets" not in SERVICES["simulator"]["volumes"]


def test_the_images_have_no_base_and_run_as_nobody_special() -> None:
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert [stage.splitlines()[0] for stage in stages[2:]] == ["scratch AS broker", "scratch AS pumpwatch"]
    assert all("\nUSER 10001:10001\n" in stage and "\nRUN " not in stage for stage in stages[2:])


def test_the_image_contains_every_package_of_the_project() -> None:
    copied = {line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")}
    included = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert packages <= copied
    assert packages <= included
    assert "deploy/runtime_root.py" in included
