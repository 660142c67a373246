"""Options of a cluster: the servers' address, their monitoring port, and the number of ranges."""

from __future__ import annotations

from typing import Annotated

import typer

from pumpwatch import settings
from pumpwatch.settings import PREFIX

CLUSTER_PORT = 4222
MONITOR_PORT = 8222

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
    int,
    typer.Option(
        "--cluster-monitor",
        envvar=f"{PREFIX}CLUSTER_MONITOR",
        min=settings.PORT.ge,
        max=settings.PORT.le,
        help="Monitoring port of the NATS servers, where their settings are checked.",
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
        help="Run N nodes that share the fleet on one NATS server, in place of a single processor and Mosquitto.",
        show_default=False,
    ),
]
