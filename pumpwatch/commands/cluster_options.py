"""Options of a cluster: the servers' addresses, their ports, and the number of ranges."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pumpwatch import settings
from pumpwatch.settings import MAX_PORT, PREFIX

CLUSTER_PORT = 4222
MONITOR_PORT = 8222
SERVERS = (1, 3)
"""Numbers of servers on one machine: two would stop if either does, more than three keep no further copies."""
MIN_LOG_GB = 0.05
"""The largest message has 16 MB, and the log must hold some of them."""
MIN_LOG_HOURS = 0.1
"""Six minutes: a take-over or a restart of the servers takes less, and NATS looks for duplicates for two."""


def ports_of(text: str) -> tuple[int, ...]:
    """Return the ports in `8222` or `8222,8223`; raises a usage error."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) <= len(str(MAX_PORT)) for word in words):
        raise typer.BadParameter(f"{text[:100]!r} are no ports; write one, or several separated by commas")
    ports = tuple(map(int, words))
    if not all(1 <= port <= MAX_PORT for port in ports):
        raise typer.BadParameter(f"{text[:100]!r}: ports are 1 to {MAX_PORT}")
    return ports


def _at_least(least: float, unit: str, value: float | None) -> float | None:
    if value is not None and 0 < value < least:
        raise typer.BadParameter(
            f"{value:g} {unit} are too little; use at least {least:g}, or 0 for no limit of your own"
        )
    return value


def _log_size(value: float | None) -> float | None:
    return _at_least(MIN_LOG_GB, "GB", value)


def _log_hours(value: float | None) -> float | None:
    return _at_least(MIN_LOG_HOURS, "hours", value)


def _servers(count: int) -> int:
    if count not in SERVERS:
        raise typer.BadParameter(f"{count} is not possible; {SERVERS[0]} or {SERVERS[1]} are")
    return count


Cluster = Annotated[
    str,
    typer.Option(
        "--cluster",
        envvar=f"{PREFIX}CLUSTER",
        metavar="URL",
        help="Take a share of a fleet as one of several nodes: NATS servers, as nats://host:port,nats://host:port. "
        "Then --data is the directory that all nodes share, and --broker the MQTT listener of a server.",
        show_default=False,
    ),
]
ClusterMonitor = Annotated[
    str,
    typer.Option(
        "--cluster-monitor",
        envvar=f"{PREFIX}CLUSTER_MONITOR",
        metavar="PORT[,PORT]…",
        help="Monitoring port of the NATS servers, where their settings are checked; one for all or one for each.",
    ),
]
Servers = Annotated[
    int,
    typer.Option(
        "--servers",
        metavar="1|3",
        callback=_servers,
        help="NATS servers of --cluster: 1, or 3, of which any one may end.",
    ),
]
Server = Annotated[int, typer.Option("--server", min=1, help="With nats and --routes: which of the servers this is.")]
Routes = Annotated[
    Any,
    typer.Option(
        "--routes",
        parser=ports_of,
        metavar="PORT,PORT,PORT",
        help="With nats: ports of this machine where its servers talk to each other, in order. Default: one server.",
        show_default=False,
    ),
]
Ranges = Annotated[
    int | None,
    typer.Option(
        "--ranges",
        envvar=f"{PREFIX}RANGES",
        min=settings.RANGES.ge,
        max=settings.RANGES.le,
        help="Ranges that a new cluster is divided into: 1, 2, 4, 8, 16, 32 or 64, never changed later. Default: 8.",
        show_default=False,
    ),
]
ClusterLogSize = Annotated[
    float | None,
    typer.Option(
        "--cluster-log-size",
        envvar=f"{PREFIX}CLUSTER_LOG_SIZE",
        min=settings.LOG_GB.ge,
        max=settings.LOG_GB.le,
        callback=_log_size,
        metavar="GB",
        help="Maximum size of the log in which the servers of a cluster keep messages that no processor has taken yet; "
        "what exceeds it is refused, and gateways keep it. 0: three quarters of the servers' stores. Default: as "
        "chosen before, or 0.",
        show_default=False,
    ),
]
ClusterLogHours = Annotated[
    float | None,
    typer.Option(
        "--cluster-log-hours",
        envvar=f"{PREFIX}CLUSTER_LOG_HOURS",
        min=settings.LOG_HOURS.ge,
        max=settings.LOG_HOURS.le,
        callback=_log_hours,
        metavar="HOURS",
        help="Maximum age of messages in that log; older ones are removed, and gateways send again what no processor "
        "has confirmed. 0: no limit. Default: as chosen before, or 0.",
        show_default=False,
    ),
]
HistoryTable = Annotated[
    str,
    typer.Option(
        "--history-table",
        envvar=f"{PREFIX}HISTORY_TABLE",
        metavar="PLACE",
        help="With --cluster: also publish all samples as a Delta table, in a directory that all nodes share or as "
        "s3://bucket/path; credentials are read from the environment. Default: the one chosen earlier, or none.",
        show_default=False,
    ),
]
Nodes = Annotated[
    int,
    typer.Option(
        "--cluster",
        min=0,
        max=16,
        metavar="N",
        help="Run N nodes that share the fleet on NATS servers, in place of a single processor and Mosquitto.",
        show_default=False,
    ),
]
