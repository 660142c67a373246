"""The NATS servers that Pumpwatch starts for a cluster on this machine: their ports, their login, their service."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import only_user, require_free
from pumpwatch.settings import PREFIX
from pumpwatch.supervision import logs
from pumpwatch.supervision.process import play

if TYPE_CHECKING:
    from cluster.nats_server import Ports, Routes
    from cluster.nats_service import NatsSettings

USER: Final = "pumpwatch"
PASSWORD_FILE: Final = "nats.password"  # noqa: S105 (a file name)
HOST: Final = "127.0.0.1"
PASSWORD_BYTES: Final = 24


@dataclass(frozen=True)
class ClusterBroker:
    """The servers to start; stand for `own_broker.OwnBroker` in a cluster. All parts and gateways have one login."""

    settings: NatsSettings = field(repr=False)
    others: tuple[NatsSettings, ...] = field(default=(), repr=False)

    @property
    def servers(self) -> tuple[NatsSettings, ...]:
        """All servers."""
        return self.settings, *self.others

    def url(self, _user: str) -> str:
        """Return the URL with which a part of the system logs in, at any of the servers."""
        return ",".join((self.settings.mqtt_url, *(f"127.0.0.1:{each.ports.mqtt}" for each in self.others)))

    @property
    def flags(self) -> tuple[str, ...]:
        """The options of `pumpwatch broker` for the first server."""
        return flags_of(self.settings)

    @property
    def node_flags(self) -> tuple[str, ...]:
        """The options of `pumpwatch process` beside the address."""
        monitors = ",".join(str(each.ports.monitor) for each in self.servers)
        return "--cluster-monitor", monitors, "--ranges", str(self.settings.ranges)

    def variables_of_nodes(self) -> dict[str, str]:
        """Return the environment with which nodes find the cluster: its address has the password."""
        return {f"{PREFIX}CLUSTER": ",".join(each.cluster_url for each in self.servers)}

    def variables_of_gateways(self) -> dict[str, str]:
        """Return nothing: simulated gateways log in as the parts do."""
        return {}

    @property
    def gateway_address(self) -> str:
        """The address for gateways, for people."""
        return f"mqtt://{','.join(f'127.0.0.1:{each.ports.mqtt}' for each in self.servers)}"


def flags_of(settings: NatsSettings) -> tuple[str, ...]:
    """Return the options of `pumpwatch broker` for one server."""
    ports, routes = settings.ports, settings.routes
    options = {"--port": ports.mqtt, "--cluster-port": ports.client, "--monitor-port": ports.monitor}
    others: dict[str, object] = (
        {"--server": routes.number, "--routes": ",".join(map(str, routes.ports))} if routes else {}
    )
    if settings.log_gb is not None:
        others["--cluster-log-size"] = settings.log_gb
    return (
        *("--kind", "nats", "--ranges", str(settings.ranges)),
        *(str(word) for pair in (options | others).items() for word in pair),
    )


def plan_several(
    data: Path, ports: Sequence[Ports], routes: Sequence[int], ranges: int, log_gb: float | None = None
) -> ClusterBroker:
    """Return the servers of a data directory, one for each of `ports`; raises `CommandError`."""
    from cluster.nats_server import Routes

    if len(ports) == 1:
        return plan(data, ports[0], ranges, log_gb=log_gb)
    several = [
        plan(data, each, ranges, Routes(number, tuple(routes)), log_gb).settings
        for number, each in enumerate(ports, start=1)
    ]
    return ClusterBroker(several[0], tuple(several[1:]))


def plan(
    data: Path, ports: Ports, ranges: int, routes: Routes | None = None, log_gb: float | None = None
) -> ClusterBroker:
    """Return the server of a data directory with its login, made if there is none; raises `CommandError`.

    With `routes`, it is one of several, with a directory of its own: a single server's files are not theirs. Its store
    has room for a log of `log_gb`, or of the size that was chosen before.
    """
    from broker.access import endpoints
    from broker.store import secret_files
    from cluster import log_retention
    from cluster.layout import LayoutError, check_ranges
    from cluster.nats_server import Login
    from cluster.nats_service import NatsSettings

    try:
        check_ranges(ranges)
        path = secret_files.directory(data) / PASSWORD_FILE
        if not path.exists():
            secret_files.write(path, f"{secrets.token_urlsafe(PASSWORD_BYTES)}\n".encode())
        login = Login(USER, path.read_text("utf-8").strip())
        size = log_retention.read(data).size_gb if log_gb is None else log_gb
    except (OSError, UnicodeDecodeError, LayoutError, log_retention.RetentionError) as error:
        raise CommandError(f"the NATS server of {data} cannot be started: {error}") from error
    directory = endpoints.directory(data) / ("nats" if routes is None else f"nats-{routes.number}")
    return ClusterBroker(NatsSettings(directory, ports, login, ranges, log_gb=size, routes=routes))


def serve(
    data: Path,
    ports: tuple[int, int, int],
    *,
    number: int,
    routes: tuple[int, ...],
    ranges: int | None,
    log_gb: float | None,
    metrics_port: int | None,
    log: logs.Kind,
) -> None:
    """Run the server in this process with its client, MQTT and monitoring ports; raises `CommandError`.

    `routes` are the ports of all servers of this machine, of which this is the one with that number; empty if it is the
    only one.
    """
    from broker.metrics.readings import Vitals
    from cluster import nats_service
    from cluster.joining import DEFAULT_RANGES, JoinError, in_directory
    from cluster.nats_server import NatsError, Ports, Routes

    if routes and number > len(routes):
        raise CommandError(f"--server {number} is none of the {len(routes)} servers; name a port of each with --routes")
    own = Routes(number, routes) if routes else None
    for port in (*ports, *routes[number - 1 : number]):
        require_free(HOST, port, "choose others with --port, --cluster-port, --monitor-port and --routes")
    lock = "nats.lock" if own is None else f"nats-{number}.lock"
    with only_user(data / "broker" / lock, "NATS server", "--data"):
        try:
            known = in_directory(data)
            settings = plan(
                data,
                Ports(ports[0], ports[1], ports[2]),
                ranges or (known.ranges if known else DEFAULT_RANGES),
                own,
                log_gb,
            ).settings
            vitals = Vitals("broker", problems=list)
            play(
                "broker",
                lambda stop, ready, _: nats_service.run(settings, stop, ready),
                watch=(vitals, metrics_port),
                log_as=log,
            )
        except (NatsError, JoinError) as error:
            raise CommandError(str(error)) from error


def free_ports(servers: int = 1) -> tuple[list[Ports], list[int]]:
    """Return the ports of so many servers, and one for each where they talk to each other: nobody uses them now."""
    from broker.mqtt.endpoint import free_port
    from cluster.nats_server import Ports

    found: set[int] = set()
    while len(found) < 4 * servers:
        found.add(free_port(HOST))
    each = sorted(found)
    return [Ports(*each[4 * number : 4 * number + 3]) for number in range(servers)], each[3::4]
