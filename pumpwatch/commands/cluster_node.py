"""`pumpwatch process --cluster`: one node of a cluster in this process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pumpwatch.commands.cluster_options import ports_of
from pumpwatch.commands.errors import CommandError, RefusalError

if TYPE_CHECKING:
    from broker.metrics.readings import Vitals
    from cluster.jetstream import LeaseBucket, Requests
    from cluster.log_limit import LogLimit
    from cluster.preflight import Identity, Server, Unreachable
    from processor.service.settings import Settings

MONITOR_TIMEOUT_S = 5.0
JOIN_ATTEMPTS = 10
JOIN_PAUSE_S = 1.0
DEFAULT_PORT = 4222
IDENTITY = "cluster.json"


def clock() -> float:
    """Return the seconds since this machine started, which also pass while this process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME if hasattr(time, "CLOCK_BOOTTIME") else time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class Place:
    """A cluster: addresses of its servers, where each is monitored, and the number of ranges if it is asked for.

    `log_gb` and `log_hours` are the retention of its log if one is asked for.
    """

    url: str = field(repr=False)
    monitors: tuple[tuple[str, int], ...]
    ranges: int | None
    log_gb: float | None = None
    log_hours: float | None = None


def place_of(
    url: str, monitor: str, ranges: int | None, log_gb: float | None = None, log_hours: float | None = None
) -> Place:
    """Return a cluster by its options; raises `CommandError` if the address or what a cluster needs is missing."""
    hosts, ports = hosts_of(url), ports_of(monitor)
    if len(ports) not in {1, len(hosts)}:
        raise CommandError(
            f"--cluster names {len(hosts)} servers and --cluster-monitor {len(ports)} ports; give one for all, or one "
            "for each in the same order"
        )
    require_extra()
    monitors = tuple(zip(hosts, ports if len(ports) > 1 else ports * len(hosts), strict=True))
    return Place(url, monitors, ranges, log_gb, log_hours)


def refuse_single(data: Path) -> None:
    """Raise `RefusalError` if a cluster uses a data directory: a single processor would begin anew beside it."""
    if (data / IDENTITY).exists():
        raise RefusalError(
            f"{data} is the data directory of a cluster; run it with --cluster, or give this processor a directory of "
            "its own with --data"
        )


def refuse_table(url: str) -> None:
    """Raise `CommandError` if a single processor is given a history table."""
    if url:
        raise CommandError(
            "--history-table is for the nodes of a cluster; a single processor keeps its history in its data directory"
        )


def refuse_retention(log_gb: float | None, log_hours: float | None) -> None:
    """Raise `CommandError` if a single processor is given the retention of a cluster's log."""
    for name, value in {"--cluster-log-size": log_gb, "--cluster-log-hours": log_hours}.items():
        if value is not None:
            raise CommandError(
                f"{name} is for a cluster, in whose log messages wait for processors; add --cluster, or leave it out"
            )


def table_of(data: Path, url: str) -> str:
    """Return the history table of a cluster, empty for none.

    One that is new is made first: an address that cannot be used is not chosen. One that was chosen earlier may be
    out of reach for a while. Raises `RefusalError` or `OSError`.
    """
    from broker.store import delta_log, history_table

    try:
        known = history_table.location(data)
        if url or known:
            delta_log.require_extra()
        if url and known is None:
            delta_log.Log(history_table.checked(url)).read(create=True)
        return history_table.choose(data, url) or ""
    except history_table.HistoryTableError as error:
        raise RefusalError(str(error)) from error


def require_extra() -> None:
    """Raise `CommandError` if what a cluster needs is not installed."""
    if find_spec("nats") is None:
        raise CommandError("a cluster needs NATS; install it with: pip install 'pumpwatch[cluster]'")


def hosts_of(url: str) -> list[str]:
    """Return the hosts of the servers in `nats://host:port,…`; raises `CommandError`, which quotes no password."""
    hosts = []
    for each in url.split(","):
        try:
            parts = urlsplit(each.strip())
            fine = parts.scheme == "nats" and bool(parts.hostname) and (parts.port or DEFAULT_PORT) > 0
        except ValueError:
            fine = False
        if not fine:
            raise CommandError(
                "the address of the cluster cannot be read; write nats://host:port or nats://user:password@host:port, "
                "several separated by commas"
            )
        hosts.append(str(parts.hostname))
    return hosts


async def run(
    place: Place, settings: Settings, stop: asyncio.Event, ready: Callable[[str], None], vitals: Vitals
) -> None:
    """Run one node until `stop`; raises `CommandError`, or `RefusalError` if somebody must act first."""
    from broker.metrics.readings import Vitals
    from broker.mqtt.address import parse_url
    from broker.mqtt.tls import TlsError
    from cluster.jetstream import DifferentError, UnreachableError, cluster_store
    from cluster.joining import JoinError
    from cluster.leases import MERGER, Leases
    from cluster.log_retention import RetentionError
    from cluster.lost_leases import RaisedLeases
    from cluster.membership import Membership, MembershipError
    from cluster.merging.service import run_merger
    from cluster.nats_server import REPLICAS
    from cluster.node import Elected, Node
    from cluster.watching import NodeWatch
    from processor.service.loop import wall_ms

    servers = await _servers(place.monitors)
    name = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
    try:
        replicas = REPLICAS if len(servers) >= REPLICAS else 1
        # The authority of the MQTT listener is that of the servers.
        async with cluster_store(place.url, replicas, parse_url(settings.broker).files.context()) as (store, requests):
            identity = await _joined(store, servers, settings.data, place.ranges)
            await _check_consumers(requests, identity.ranges)
            log = await _log_limit(place, settings.data, servers, requests)
            table = await asyncio.to_thread(table_of, settings.data, settings.history_table)
            settings = replace(settings, cluster_log=log.limits, history_table=table)
            leases = Leases(RaisedLeases(store, settings.data, identity), name, clock)
            merging = Vitals("merger")
            merger = Elected(
                MERGER,
                "merger",
                partial(run_merger, settings.data, identity.ranges, monitors=place.monitors, vitals=merging),
            )
            node = Node(
                settings.data,
                identity.ranges,
                settings,
                leases,
                Membership(store, name, clock),
                clock,
                (merger,),
            )
            vitals.problems = node.problems
            ended = asyncio.Event()
            watch = asyncio.create_task(NodeWatch(node, vitals, merging, wall_ms).run(ended), name="watch")
            limiting = asyncio.create_task(log.run(), name="log limit")
            try:
                await node.run(stop, lambda: ready(f"{name} of {identity.ranges} ranges"))
            finally:
                ended.set()
                limiting.cancel()
                await asyncio.gather(watch, limiting, return_exceptions=True)
    except (JoinError, DifferentError, RetentionError) as error:
        raise RefusalError(str(error)) from error
    except (UnreachableError, MembershipError, TlsError, OSError) as error:
        raise CommandError(str(error)) from error


async def _joined(store: LeaseBucket, servers: list[Server | Unreachable], data: Path, ranges: int | None) -> Identity:
    """Join the cluster; servers that have just started may take some seconds to answer. Raises as `join` does."""
    from cluster.jetstream import UnansweredError
    from cluster.joining import join

    for _ in range(JOIN_ATTEMPTS - 1):
        with contextlib.suppress(UnansweredError):
            return await join(store, servers, data, ranges)
        await asyncio.sleep(JOIN_PAUSE_S)
    return await join(store, servers, data, ranges)


async def _log_limit(place: Place, data: Path, servers: list[Server | Unreachable], requests: Requests) -> LogLimit:
    """Choose the retention of the log if one is asked for, and return what keeps it; raises `RetentionError`."""
    from cluster import log_retention
    from cluster.log_limit import LogLimit
    from cluster.preflight import Server

    stores = [server.store_bytes for server in servers if isinstance(server, Server)]
    wanted = log_retention.Retention(place.log_gb, place.log_hours)
    await asyncio.to_thread(log_retention.choose, data, wanted, stores)
    return LogLimit(requests, stores, partial(log_retention.read, data))


async def _check_consumers(requests: Requests, ranges: int) -> None:
    from cluster.consumers import existing
    from cluster.joining import JoinError
    from cluster.preflight import existing_problems

    if found := " ".join(existing_problems(await existing(requests, ranges))):
        raise JoinError(found)


async def _servers(monitors: tuple[tuple[str, int], ...]) -> list[Server | Unreachable]:
    from cluster.preflight import read_server

    return list(
        await asyncio.gather(
            *(asyncio.to_thread(read_server, host, port, MONITOR_TIMEOUT_S) for host, port in monitors)
        )
    )
