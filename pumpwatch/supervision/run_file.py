"""`run.json`: tells other commands which system is running on a data directory."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from broker.mqtt.endpoint import listening_socket
from broker.mqtt.topic_access import OPERATOR
from broker.store import file_lock

FILE: Final = "run.json"
LOCK: Final = "run.lock"
DEFAULT_BROKER: Final = "mqtt://127.0.0.1:1883"
PORTS_TRIED: Final = 50


class Running(msgspec.Struct):
    """A running system: broker, dashboard address without the key, and process id of the supervisor.

    `broker` is how commands of people reach it; `gateways` the address for gateways if the system started its broker.
    The process id is shown to people and decides nothing: in a container it is always 1, and others reuse it.
    """

    broker: str
    dashboard: str
    pid: int
    gateways: str = ""


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold a data directory for one system; raises `broker.store.file_lock.LockedError` if another runs on it."""
    with file_lock.hold(data / LOCK):
        remove(data)
        try:
            yield
        finally:
            remove(data)


def write(data: Path, running: Running) -> None:
    """Write the file, readable only by its owner because a broker URL may contain a password."""
    data.mkdir(parents=True, exist_ok=True)
    fresh = data / f"{FILE}.new"
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(running))
    fresh.replace(data / FILE)


def remove(data: Path) -> None:
    """Remove the file."""
    (data / FILE).unlink(missing_ok=True)


def find(data: Path) -> Running | None:
    """Return the system running on this data directory, or None; the file of a system that was killed is ignored."""
    if not file_lock.held(data / LOCK):
        return None
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None


def broker_of(given: str | None, data: Path, user: str = OPERATOR) -> str:
    """Return the broker URL: as given, else of the system or broker running on `data`, else the default.

    `user` is who logs in at a broker that Pumpwatch started.
    """
    from broker.access import endpoints

    if given is not None:
        return given
    running = find(data)
    if running is not None and not running.gateways:
        return running.broker
    return endpoints.login(data, user) or (DEFAULT_BROKER if running is None else running.broker)


def knows_login(data: Path) -> bool:
    """Return whether a broker that Pumpwatch started runs on `data`: its URL has a login of its own."""
    from broker.access import endpoints

    running = find(data)
    return endpoints.find(data) is not None if running is None else bool(running.gateways)


def without_key(address: str) -> str:
    """Return an address without query and fragment."""
    return urlunsplit((*urlsplit(address)[:3], "", ""))


def is_free(host: str, port: int) -> bool:
    """Return whether this process could listen there; raises `OSError` if the port is not what prevents it."""
    try:
        listening_socket(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def next_free(host: str, port: int) -> int | None:
    """Return the first free port from `port` on, or None if `PORTS_TRIED` ports are in use.

    Raises `OSError` if the ports are not what prevents listening.
    """
    return next((n for n in range(port, min(port + PORTS_TRIED, 65_536)) if is_free(host, n)), None)
