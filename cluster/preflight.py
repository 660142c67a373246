"""Checks before a processor joins a cluster: a sentence for each reason why it must not, from facts alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

import msgspec

from broker.contract.topics import SHARDS
from broker.display.printable import printable
from cluster import layout
from cluster.nats_server import MIN_VERSION, max_ack_pending

MAX_ANSWER_BYTES: Final = 1_000_000
"""Of one answer of a server; /varz takes some kB."""
ANSWER_ERRORS: Final = (
    *(msgspec.DecodeError, KeyError, AttributeError, TypeError, OverflowError, RecursionError, UnicodeDecodeError),
)
"""What reading an answer of something else than a nats-server may lead to."""
MAX_TEXT: Final = 200
"""Characters of a foreign value in a sentence."""


@dataclass(frozen=True)
class Server:
    """A server of the cluster as it describes itself at /varz; `synced` is None if it does not say so.

    `store_bytes` are as much as it stores at most, `max_ack_pending` how many messages of each MQTT subscription may be
    unacknowledged, 0 if it does not say so.
    """

    name: str
    version: str
    jetstream: bool
    synced: bool | None
    store_bytes: int = 0
    max_ack_pending: int = 0


@dataclass(frozen=True)
class Unreachable:
    """An address at which no server answered, and why."""

    address: str
    why: str


@dataclass(frozen=True)
class Identity:
    """What a data directory and a cluster must agree on: the cluster's identifier and its number of ranges."""

    cluster: str
    ranges: int


@dataclass(frozen=True)
class Existing:
    """A stream or consumer as it exists, and the settings that Pumpwatch needs it to have."""

    kind: str
    name: str
    found: Mapping[str, Any]
    needed: Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """All that is known of a cluster and a data directory before a processor joins.

    `directory` is None if no cluster has used the data directory, `cluster` is None if no data directory was ever used
    with the cluster.
    """

    servers: Sequence[Server | Unreachable]
    data: str
    directory: Identity | None
    cluster: Identity | None
    ranges: int
    existing: Sequence[Existing] = ()


def server_of(varz: bytes) -> Server:
    """Return what a server says about itself at /varz of its monitoring port.

    Raises:
        ValueError: this is no answer of a nats-server.
    """
    try:
        answer = msgspec.json.decode(varz, type=dict[str, Any])
        jetstream = answer.get("jetstream") or {}
        config = jetstream.get("config")
        name, version = answer["server_name"], answer["version"]
        synced = bool(config.get("sync_always", False)) if config else None
        store = int(config.get("max_storage", 0)) if config else 0
        pending = int((answer.get("mqtt") or {}).get("max_ack_pending", 0))
    except ANSWER_ERRORS as error:
        text = _shown(varz[:MAX_TEXT].decode("utf-8", "replace"))
        raise ValueError(f"the answer is not that of a nats-server at /varz: {text}") from error
    return Server(str(name), str(version), bool(config), synced, store, pending)


def read_server(host: str, port: int, timeout_s: float) -> Server | Unreachable:
    """Ask a nats-server at its monitoring port what it is; waits up to about `timeout_s` for each step."""
    address = f"http://{host}:{port}"
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/varz")
        return server_of(connection.getresponse().read(MAX_ANSWER_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        return Unreachable(address, str(error) or type(error).__name__)
    finally:
        connection.close()


def problems(facts: Facts) -> list[str]:
    """Return a sentence for each reason not to join; the first is the one to solve first."""
    found = [server for server in facts.servers if isinstance(server, Server)]
    # Without a server, all else would be guesses; one of three may be away, as at any later time.
    if 2 * len(found) <= len(facts.servers):
        return list(_unreachable(facts.servers))
    return [*_servers(found), *_directory(facts), *_sessions(found, facts.ranges), *existing_problems(facts.existing)]


def _unreachable(servers: Sequence[Server | Unreachable]) -> Iterator[str]:
    if not servers:
        yield "No address of a NATS server was given; give at least one, such as --cluster nats://127.0.0.1:4222."
    away = [server for server in servers if isinstance(server, Unreachable)]
    for server in away:
        yield (
            f"The NATS server {_shown(server.address)} is unreachable: {_shown(server.why)}; more than half of the "
            f"{len(servers)} must answer, and {len(servers) - len(away)} did. Start it, or correct its address."
        )


def _servers(servers: Sequence[Server]) -> Iterator[str]:
    for server in servers:
        name, version = _shown(server.name), version_of(server.version)
        if version is None or version < MIN_VERSION:
            yield (
                f"The NATS server {name} is version {_shown(server.version)}, older than Pumpwatch supports; "
                f"install {MIN_VERSION[0]}.{MIN_VERSION[1]} or newer."
            )
        if not server.jetstream:
            yield (
                f"JetStream is off in the NATS server {name}; messages and leases need it. Add a block "
                '`jetstream { store_dir: "…", sync_interval: always }` to its configuration.'
            )
        elif not server.synced:
            yield (
                f"The NATS server {name} acknowledges leases before they are on disk (sync_interval is not always); "
                "a power cut could give a range to two processors. Set `sync_interval: always` in its block jetstream."
            )
    if len({server.version for server in servers}) > 1:
        versions = ", ".join(f"{_shown(server.name)} {_shown(server.version)}" for server in servers)
        yield (
            f"The NATS servers have different versions: {versions}; a processor joins only if all have the same one. "
            "Upgrade the older ones."
        )


def _sessions(servers: Sequence[Server], ranges: int) -> Iterator[str]:
    """Yield a sentence for each server that would refuse subscriptions of a range's session."""
    if ranges not in layout.RANGES:
        return
    limit = max_ack_pending(ranges)
    for server in servers:
        if server.max_ack_pending > limit:
            yield (
                f"The NATS server {_shown(server.name)} reserves {server.max_ack_pending:,} messages for each MQTT "
                f"subscription, so that it refuses some of a range's: with {ranges} ranges, a range has "
                f"{SHARDS // ranges} shards. Set `max_ack_pending: {limit}` in its block mqtt."
            )


def version_of(text: str) -> tuple[int, int] | None:
    """Return major and minor number of a version such as 2.11.4 or 2.12.0-RC.3, or None if it is none."""
    matched = re.fullmatch(r"v?([0-9]{1,6})\.([0-9]{1,6})(?:[^0-9].*)?", text)
    return (int(matched[1]), int(matched[2])) if matched else None


def _directory(facts: Facts) -> Iterator[str]:
    data, here, there = _shown(facts.data), facts.directory, facts.cluster
    if facts.ranges not in layout.RANGES:
        allowed = ", ".join(map(str, layout.RANGES))
        yield f"A cluster cannot have {facts.ranges} ranges; the number must divide the 64 shards: {allowed}."
        return
    if here and there and here.cluster != there.cluster:
        yield (
            f"The data directory {data} belongs to the cluster {_shown(here.cluster)}, but the servers are those of "
            f"{_shown(there.cluster)}; two clusters on one data directory would both write. Give the directory or the "
            "servers that belong together."
        )
    elif there and not here:
        yield (
            f"The data directory {data} has not been used by a cluster, but the cluster {_shown(there.cluster)} has "
            "one already; give every processor and dashboard the same shared directory."
        )
    for owner, identity in ((f"The data directory {data}", here), ("The cluster", there)):
        if identity and identity.ranges != facts.ranges:
            yield (
                f"{owner} has {identity.ranges} ranges, but {facts.ranges} were asked for; the number is fixed when a "
                f"data directory is first used. Ask for {identity.ranges}, or start with an empty directory."
            )
            return


def existing_problems(existing: Sequence[Existing]) -> Iterator[str]:
    """Return a sentence for each setting with which streams or consumers exist that must be another.

    Those that have the same value in place of the same are one sentence: a range has a consumer for each shard.
    """
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for item in existing:
        for key, needed in item.needed.items():
            if (found := item.found.get(key)) != needed:
                alike.setdefault((item.kind, key, str(found), str(needed)), []).append(item.name)
    for (kind, key, has, needs), names in alike.items():
        others = f" (and {len(names) - 1} others like it)" if len(names) > 1 else ""
        yield (
            f"The {kind} {_shown(names[0])}{others} exists with {key} {_shown(has)}, but {key} {_shown(needs)} is "
            f"needed; nothing was changed. Delete the {kind} (gateways keep what no processor has confirmed), or use a "
            "NATS account of its own."
        )


def _shown(text: str) -> str:
    """Return a foreign text without control characters, and not longer than a sentence bears."""
    cut = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    return printable(cut)
