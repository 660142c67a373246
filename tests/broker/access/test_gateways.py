"""Gateways that people add: names that are refused, passwords by the thousand, and ports that stay."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.access import endpoints, gateways
from broker.access.credentials import Credentials, CredentialsError, credentials_of
from broker.access.password_lines import derived_password, password_line, user_of
from broker.contract import topics
from broker.mqtt.endpoint import listening_socket
from broker.mqtt.topic_access import PERMISSIONS, SYSTEM_USERS
from simulator.gateway.settings import gateway_names

NOW = datetime(2026, 11, 27, tzinfo=UTC)
FLEET = 15_000
FLEET_CPU_S = 15.0


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    made = credentials_of(tmp_path)
    made.prepare(["gateway-00"])
    return made


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_processor", "not a valid gateway name"),
        ("ward/3", "not a valid gateway name"),
        ("+", "not a valid gateway name"),
        ("", "not a valid gateway name"),
        ("ward:3", "has a colon"),
        ("pumpwatch-processor", "is reserved"),
        ("gateway-7", "belong to simulated gateways"),
        ("gateway-00", "already"),
        ("ward-3", "already"),
    ],
)
def test_a_name_that_is_invalid_reserved_or_taken_is_refused(credentials: Credentials, name: str, reason: str) -> None:
    gateways.add_with_password(credentials, "ward-3", NOW)
    before = credentials.gateway_passwords.read_bytes()
    with pytest.raises(CredentialsError, match=reason):
        gateways.add_with_password(credentials, name, NOW)
    assert credentials.gateway_passwords.read_bytes() == before


def test_adding_and_removing_leaves_the_simulated_gateways(credentials: Credentials) -> None:
    before = credentials.gateway_passwords.read_text()
    gateways.add_with_password(credentials, "ward-3", NOW)
    assert credentials.known() == {"gateway-00", "ward-3"}
    credentials.prepare(["gateway-00"])
    assert credentials.known() == {"gateway-00", "ward-3"}
    gateways.remove(credentials, "ward-3", NOW)
    assert credentials.gateway_passwords.read_text() == before


def test_what_has_not_changed_is_not_written_again(credentials: Credentials) -> None:
    """A running broker reads again whatever is written, and checks everybody who is connected."""
    stamps = {path: path.stat().st_mtime_ns for path in credentials.mosquitto.iterdir()}
    credentials.prepare(["gateway-00"])
    assert {path: path.stat().st_mtime_ns for path in credentials.mosquitto.iterdir()} == stamps


def test_a_certificate_needs_an_authority_and_the_error_says_how_to_make_one(credentials: Credentials) -> None:
    with pytest.raises(CredentialsError, match="pumpwatch keys init --host"):
        gateways.add_with_certificate(credentials, "ward-4", NOW)


def test_only_their_owner_reads_the_credentials(credentials: Credentials) -> None:
    files = [path for path in credentials.path.rglob("*") if path.is_file() and path.name != "lock"]
    assert len(files) > len(SYSTEM_USERS)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (credentials.path, credentials.mosquitto)} == {0o700}


def test_fifteen_thousand_password_lines_take_seconds() -> None:
    began, secret = time.process_time(), b"s" * 43
    lines = [password_line(name, derived_password(secret, name), b"salt") for name in gateway_names("gateway", FLEET)]
    assert time.process_time() - began < FLEET_CPU_S
    assert len({line.partition(":")[2] for line in lines}) == FLEET
    assert user_of(lines[-1]) == "gateway-14999"


def test_the_ports_are_those_of_the_last_time_unless_they_are_taken(tmp_path: Path) -> None:
    first = endpoints.plan(tmp_path, "127.0.0.1", 0)
    assert first.port != first.system_port
    endpoints.write(tmp_path, first)
    assert endpoints.plan(tmp_path, "127.0.0.1", 0) == first
    with listening_socket("127.0.0.1", first.system_port):
        again = endpoints.plan(tmp_path, "127.0.0.1", 0)
    assert again.port == first.port
    assert again.system_port not in {first.system_port, first.port}


def test_every_user_of_the_table_is_a_part_or_a_gateway() -> None:
    assert {row.user for row in PERMISSIONS} == {*SYSTEM_USERS, "GATEWAY"}


def test_every_topic_of_the_system_may_be_written_and_read_by_somebody() -> None:
    """A topic without a row would be refused silently."""
    named = {text for text in vars(topics).values() if isinstance(text, str) and text.startswith("pumpwatch/")}
    written = {row.topic for row in PERMISSIONS if row.action == "write"}
    assert named <= written
    assert {f"itb/+/%u/{leaf}" for leaf in topics.LEAF_NAMES - {"command"}} | {"itb/+/+/command"} <= written
