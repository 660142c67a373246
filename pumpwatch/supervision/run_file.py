"""This file is the note a running system leaves in its data directory, so that other commands find it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

FILE: Final = "run.json"
DEFAULT_BROKER: Final = "mqtt://127.0.0.1:1883"
PORTS_TRIED: Final = 50


class Running(msgspec.Struct):
    """A system that runs: its broker, its dashboard's address without the key, and the supervisor's process id."""

    broker: str
    dashboard: str
    pid: int


def leave(data: Path, running: Running) -> None:
    """Write the note; only its owner may read it, as a broker's address can hold a password."""
    data.mkdir(parents=True, exist_ok=True)
    fresh = data / f"{FILE}.new"
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(running))
    fresh.replace(data / FILE)


def remove(data: Path) -> None:
    """Take the note away again."""
    (data / FILE).unlink(missing_ok=True)


def find(data: Path) -> Running | None:
    """Return the system that runs on this data directory, or None; a note of a dead process counts for nothing."""
    try:
        running = msgspec.json.decode((data / FILE).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
    return running if _alive(running.pid) else None


def broker_of(given: str | None, data: Path) -> str:
    """Return the broker's URL: as given, else that of the system running on `data`, else the usual one."""
    if given is not None:
        return given
    running = find(data)
    return DEFAULT_BROKER if running is None else running.broker


def without_key(address: str) -> str:
    """Return an address without what follows its path."""
    return urlunsplit((*urlsplit(address)[:3], "", ""))


def is_free(host: str, port: int) -> bool:
    """Say whether this process could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def next_free(host: str, port: int) -> int | None:
    """Return the first free port from `port` on, or None if the next 50 are all taken."""
    return next((n for n in range(port, min(port + PORTS_TRIED, 65_536)) if is_free(host, n)), None)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
