"""`pumpwatch process --cluster`: one node of a cluster in this process."""

from __future__ import annotations

import asyncio
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

from pumpwatch.commands.errors import CommandError, RefusalError

if TYPE_CHECKING:
    from broker.metrics.readings import Vitals
    from cluster.preflight import Server, Unreachable
    from processor.service.settings import Settings

MONITOR_TIMEOUT_S = 5.0
DEFAULT_PORT = 4222
MAX_REPLICAS = 3
"""Servers that have the leases, if there are so many: a majority of them is enough."""
IDENTITY = "cluster.json"


def clock() -> float:
    """Return the seconds since this machine started, which also pass while this process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME if hasattr(time, "CLOCK_BOOTTIME") else time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class Place:
    """A cluster: addresses of its servers, their monitoring port, and the number of ranges if it is asked for."""

    url: str = field(repr=False)
    monitor: int
    ranges: int | None


def place_of(url: str, monitor: int, ranges: int | None) -> Place:
    """Return a cluster by its options; raises `CommandError` if the address or what a cluster needs is missing."""
    hosts_of(url)
    require_extra()
    return Place(url, monitor, ranges)


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
    from cluster.jetstream import UnreachableError, cluster_store
    from cluster.joining import JoinError, join
    from cluster.leases import MERGER, Leases
    from cluster.membership import Membership, MembershipError
    from cluster.merging.service import run_merger
    from cluster.node import Elected, Node

    servers = await _servers(hosts_of(place.url), place.monitor)
    name = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
    try:
        async with cluster_store(place.url, MAX_REPLICAS if len(servers) >= MAX_REPLICAS else 1) as store:
            identity = await join(store, servers, settings.data, place.ranges)
            table = await asyncio.to_thread(table_of, settings.data, settings.history_table)
            merger = Elected(MERGER, "merger", partial(run_merger, settings.data, identity.ranges))
            node = Node(
                settings.data,
                identity.ranges,
                replace(settings, history_table=table),
                Leases(store, name, clock),
                Membership(store, name, clock),
                clock,
                (merger,),
            )
            vitals.problems = node.problems
            await node.run(stop, lambda: ready(f"{name} of {identity.ranges} ranges"))
    except JoinError as error:
        raise RefusalError(str(error)) from error
    except (UnreachableError, MembershipError, OSError) as error:
        raise CommandError(str(error)) from error


async def _servers(hosts: list[str], monitor: int) -> list[Server | Unreachable]:
    from cluster.preflight import read_server

    return list(
        await asyncio.gather(*(asyncio.to_thread(read_server, host, monitor, MONITOR_TIMEOUT_S) for host in hosts))
    )
