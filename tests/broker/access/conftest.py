"""A Mosquitto with TLS and credentials as `pumpwatch broker` starts it, and clients of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.access import endpoints
from broker.access.credentials import Credentials, credentials_of
from broker.access.key_files import KeyFiles
from broker.mqtt.address import Address, parse_url
from broker.mqtt.link import Link, Message
from broker.mqtt.mosquitto_config import find
from broker.mqtt.reasons import Undelivered
from tests.conftest import END_S, ROOT, missing

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@dataclass
class Guarded:
    """A broker that asks who is there."""

    data: Path

    @property
    def credentials(self) -> Credentials:
        return credentials_of(self.data)

    @property
    def gateways(self) -> Address:
        """Where gateways log in, without a login."""
        found = endpoints.find(self.data)
        assert found is not None
        return parse_url(found.gateway_url(self.credentials))

    def part(self, user: str) -> Address:
        url = endpoints.login(self.data, user)
        assert url is not None
        return parse_url(url)


@dataclass
class Client:
    """One MQTT client: what it received, and what became of what it published."""

    link: Link
    received: list[Message] = field(default_factory=list)
    published: dict[int, Undelivered | None] = field(default_factory=dict)

    @classmethod
    def at(cls, address: Address, client_id: str = "", *, persistent: bool = False) -> Client:
        client = cls(Link(replace(address, protocol=5), client_id, persistent=persistent))
        client.link.on_message = client.received.append
        client.link.on_published = client.published.__setitem__
        return client

    def topics(self) -> list[str]:
        return [message.topic for message in self.received]


def started(data: Path, *flags: str) -> Iterator[Guarded]:
    """Run `pumpwatch broker` on a data directory until the fixture ends."""
    command = [sys.executable, "-m", "pumpwatch", "broker", "--kind", "mosquitto", "--data", str(data), *flags]
    with (data / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("READY broker"), (data / "log").read_text()
            yield Guarded(data)
        finally:
            process.terminate()
            process.wait(END_S)
            process.stdout.close()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A broker with TLS and credentials."""
    if find(os.environ.get("PATH")) is None:
        missing("mosquitto")
    data = tmp_path_factory.mktemp("guarded")
    credentials = credentials_of(data)
    credentials.prepare(["gateway-00", "gateway-01"])
    KeyFiles(credentials).create(["ward.example"], NOW)
    yield from started(data, "--tls", "--port", "0")
