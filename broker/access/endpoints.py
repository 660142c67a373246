"""Where the broker of a data directory listens, for gateways and for parts of the system: the same at each start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from broker.access.credentials import Credentials, credentials_of
from broker.mqtt import topic_access
from broker.mqtt.endpoint import free_port, host_and_port, listening_socket
from broker.mqtt.local_broker import url_of
from broker.mqtt.mosquitto_config import Access
from broker.mqtt.tls import TlsFiles
from broker.mqtt.url_files import with_files
from broker.store import durable_write, file_lock

FILE: Final = "endpoints.json"
LOCK: Final = "broker.lock"
LOOPBACK: Final = "127.0.0.1"
TRIES: Final = 20


class Endpoints(msgspec.Struct, frozen=True):
    """Ports of a broker that Pumpwatch starts: gateways at `host`, with TLS or without, and parts on loopback.

    `open` is whether it was the last one to start on its data directory.
    """

    host: str
    port: int
    system_port: int
    tls: bool = False
    open: bool = True

    def access(self, credentials: Credentials) -> Access:
        """Return what the configuration of Mosquitto needs."""
        return Access(credentials.mosquitto, self.system_port, tls=self.tls)

    def system_url(self, credentials: Credentials, user: str) -> str:
        """Return the URL with which a part of the system logs in."""
        return credentials.url(user, host_and_port(LOOPBACK, self.system_port))

    def gateway_url(self, credentials: Credentials) -> str:
        """Return the URL for gateways of this machine, without a login."""
        files = credentials.tls_files() if self.tls else TlsFiles()
        return with_files(url_of(self.host, self.port, tls=self.tls), files)


def directory(data: Path) -> Path:
    """Return the directory of the broker's own files."""
    return data / "broker"


def plan(data: Path, host: str, port: int, *, system_port: int = 0, tls: bool = False) -> Endpoints:
    """Return where to listen; 0 takes the port of the last time, if it is free, else any free one.

    The port stays, because Mosquitto gives the messages that it keeps for a session only at the port of that session.
    """
    before = last(data)
    chosen = port or _free_again(host, 0 if before is None else before.port, 1 + tls)
    taken = range(chosen, chosen + 1 + tls)
    system = system_port
    while not system or system in taken:
        system = _free_again(LOOPBACK, 0 if before is None or before.system_port in taken else before.system_port)
    return Endpoints(host, chosen, system, tls)


def write(data: Path, endpoints: Endpoints) -> None:
    """Keep where the broker listens; it is valid while the broker holds its lock."""
    durable_write.replace(directory(data) / FILE, lambda fresh: fresh.write_bytes(msgspec.json.encode(endpoints)))


def forget(data: Path) -> None:
    """Keep the ports, but say that no broker with credentials listens there; the next `write` says that one does."""
    if (before := last(data)) is not None:
        write(data, msgspec.structs.replace(before, open=False))


def find(data: Path) -> Endpoints | None:
    """Return where the broker of a data directory listens, None if none runs or it lets in everybody."""
    found = last(data)
    return found if found is not None and found.open and file_lock.held(directory(data) / LOCK) else None


def login(data: Path, user: str = topic_access.OPERATOR) -> str | None:
    """Return the URL with which a user reaches the running broker of a data directory, None if none runs."""
    found = find(data)
    return None if found is None else found.system_url(credentials_of(data), user)


def _free_again(host: str, port: int, count: int = 1) -> int:
    """Return `port` if it and those after it are free, `count` in all; else others that are."""
    for first in (port, *(free_port(host) for _ in range(TRIES))):
        if first and all(_is_free(host, first + step) for step in range(count)):
            return first
    return free_port(host)


def _is_free(host: str, port: int) -> bool:
    try:
        listening_socket(host, port).close()
    except (OSError, OverflowError):
        return False
    return True


def last(data: Path) -> Endpoints | None:
    """Return where the broker of a data directory listened when it last ran, None if it never did."""
    try:
        return msgspec.json.decode((directory(data) / FILE).read_bytes(), type=Endpoints)
    except (OSError, msgspec.DecodeError):
        return None
