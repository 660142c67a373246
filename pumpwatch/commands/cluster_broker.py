"""The NATS server that Pumpwatch starts for a cluster on this machine: its ports, its login, its service."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import only_user, require_free
from pumpwatch.settings import PREFIX
from pumpwatch.supervision import logs
from pumpwatch.supervision.process import play

if TYPE_CHECKING:
    from cluster.nats_server import Ports
    from cluster.nats_service import NatsSettings

USER: Final = "pumpwatch"
PASSWORD_FILE: Final = "nats.password"  # noqa: S105 (a file name)
HOST: Final = "127.0.0.1"
PASSWORD_BYTES: Final = 24


@dataclass(frozen=True)
class ClusterBroker:
    """The server to start; stands for `own_broker.OwnBroker` in a cluster. All parts and gateways have one login."""

    settings: NatsSettings = field(repr=False)

    def url(self, _user: str) -> str:
        """Return the URL with which a part of the system logs in."""
        return self.settings.mqtt_url

    @property
    def flags(self) -> tuple[str, ...]:
        """The options of `pumpwatch broker`."""
        ports = self.settings.ports
        places = {"--port": ports.mqtt, "--cluster-port": ports.client, "--monitor-port": ports.monitor}
        return (
            *("--kind", "nats", "--ranges", str(self.settings.ranges)),
            *(str(word) for pair in places.items() for word in pair),
        )

    @property
    def node_flags(self) -> tuple[str, ...]:
        """The options of `pumpwatch process` beside the address."""
        return "--cluster-monitor", str(self.settings.ports.monitor), "--ranges", str(self.settings.ranges)

    def variables_of_nodes(self) -> dict[str, str]:
        """Return the environment with which nodes find the cluster: its address has the password."""
        return {f"{PREFIX}CLUSTER": self.settings.cluster_url}

    def variables_of_gateways(self) -> dict[str, str]:
        """Return nothing: simulated gateways log in as the parts do."""
        return {}

    @property
    def gateway_address(self) -> str:
        """The address for gateways, for people."""
        return f"mqtt://127.0.0.1:{self.settings.ports.mqtt}"


def plan(data: Path, ports: Ports, ranges: int) -> ClusterBroker:
    """Return the server of a data directory with its login, made if there is none; raises `CommandError`."""
    from broker.access import endpoints
    from broker.store import secret_files
    from cluster.layout import LayoutError, check_ranges
    from cluster.nats_server import Login
    from cluster.nats_service import NatsSettings

    try:
        check_ranges(ranges)
        path = secret_files.directory(data) / PASSWORD_FILE
        if not path.exists():
            secret_files.write(path, f"{secrets.token_urlsafe(PASSWORD_BYTES)}\n".encode())
        login = Login(USER, path.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError, LayoutError) as error:
        raise CommandError(f"the NATS server of {data} cannot be started: {error}") from error
    return ClusterBroker(NatsSettings(endpoints.directory(data) / "nats", ports, login, ranges))


def serve(
    data: Path, ports: tuple[int, int, int], ranges: int | None, metrics_port: int | None, log: logs.Kind
) -> None:
    """Run the server in this process with its client, MQTT and monitoring ports; raises `CommandError`."""
    from broker.metrics.readings import Vitals
    from cluster import nats_service
    from cluster.joining import DEFAULT_RANGES, JoinError, in_directory
    from cluster.nats_server import NatsError, Ports

    for port in ports:
        require_free(HOST, port, "choose others with --port, --cluster-port and --monitor-port")
    with only_user(data / "broker" / "nats.lock", "NATS server", "--data"):
        try:
            known = in_directory(data)
            settings = plan(
                data, Ports(ports[0], ports[1], ports[2]), ranges or (known.ranges if known else DEFAULT_RANGES)
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


def free_ports() -> Ports:
    """Return three ports of this machine that nobody uses."""
    from broker.mqtt.endpoint import free_port
    from cluster.nats_server import Ports

    return Ports(free_port(HOST), free_port(HOST), free_port(HOST))
