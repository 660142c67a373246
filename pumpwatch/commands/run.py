"""`pumpwatch run`: all parts on this machine as one system."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer
from rich.align import Align
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from broker.metrics.table import PARTS
from broker.mqtt.topic_access import DASHBOARD, OPERATOR, PROCESSOR, SIMULATOR, SUPERVISOR
from broker.store import notification_files
from broker.store.file_lock import LockedError
from pumpwatch.commands import access_options, cluster_node, cluster_options, cluster_run, gateway_options, options
from pumpwatch.commands.broker_options import variables_of_parts
from pumpwatch.commands.broker_password import with_variable
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import choose_port, was_given
from pumpwatch.commands.run_config import Fleet, plan
from pumpwatch.commands.web_options import web_of
from pumpwatch.settings import MAX_PORT, PREFIX, environment, user_data
from pumpwatch.supervision import logs, run_file
from pumpwatch.supervision.part_notices import Notices
from pumpwatch.supervision.part_process import Part
from pumpwatch.supervision.part_status import PartStatus
from pumpwatch.supervision.process import stop_on_signals
from pumpwatch.supervision.service_manager import ServiceManager, status_of
from pumpwatch.supervision.supervisor import PartError, Supervisor, Trouble

if TYPE_CHECKING:
    from pumpwatch.commands.cluster_broker import ClusterBroker
    from pumpwatch.commands.own_broker import OwnBroker

CONFIGURED_INTERVAL_S = 2.0
"""How often `run` looks whether notifications are configured."""
START_MINUTES = 10
"""As many minutes' worth of new gateways and pumps a processor takes in at its start."""


@dataclass(frozen=True)
class RunConfig:
    """The options after all defaults; `own` is the broker to start, None if `broker` is the URL of one."""

    data: Path
    fleet: Fleet
    gateways: int | None
    speed: float
    payload: Literal["auto", "json", "arrow"]
    broker: str | None = field(repr=False)
    own: OwnBroker | ClusterBroker | None
    host: str
    port: int
    key: str = field(repr=False)
    dashboard_flags: tuple[str, ...] = ()
    metrics_port: int | None = None
    log: tuple[str, str] = ("--log", "text")
    nodes: int = 0
    history_table: str = ""

    def metrics_flags(self, part: str) -> tuple[str, ...]:
        """Return the flags with which a part serves its metrics; the ports are in the order of `PARTS`."""
        if self.metrics_port is None:
            return ()
        return ("--metrics-port", str(self.metrics_port + PARTS.index(part)))

    def url(self, user: str) -> str:
        """Return the broker's URL, with the login of `user` if it is our own broker."""
        if self.own is None:
            return self.broker or run_file.DEFAULT_BROKER
        return self.own.url(user)


def run(
    ctx: typer.Context,
    *,
    pumps: options.Pumps = None,
    gateways: options.Gateways = None,
    speed: options.Speed = 60.0,
    interval: options.Interval = None,
    seed: options.Seed = None,
    scenario: options.Scenario = "demo",
    payload: options.Payload = "auto",
    port: options.Port = options.DASHBOARD_PORT,
    host: options.Host = options.LOOPBACK,
    key: options.Key = "",
    public_url: options.PublicUrl = "",
    root_path: options.RootPath = "",
    trusted_proxy: options.TrustedProxies = None,
    session_idle: access_options.SessionIdle = access_options.IDLE_H,
    session_days: access_options.SessionDays = access_options.DAYS,
    gateway_host: gateway_options.GatewayHost = options.LOOPBACK,
    gateway_port: gateway_options.GatewayPort = 0,
    gateway_tls: gateway_options.GatewayTls = False,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    allowed_host: options.AllowedHosts = None,
    oidc_issuer: access_options.OidcIssuer = "",
    oidc_client_id: access_options.OidcClientId = "",
    oidc_client_secret: access_options.OidcClientSecret = None,
    oidc_role_claim: access_options.OidcRoleClaim = access_options.ROLE_CLAIM,
    oidc_role: access_options.OidcRoles = None,
    broker: options.OwnBroker = None,
    data: options.Data = None,
    nodes: cluster_options.Nodes = 0,
    ranges: cluster_options.Ranges = None,
    history_table: cluster_options.HistoryTable = "",
    metrics_port: options.MetricsPort = None,
    log: options.Log = "auto",
) -> None:
    """Run the whole system on this machine: broker, processor, dashboard and simulated pumps. Ctrl-C stops it."""
    from pumpwatch.commands import own_broker
    from simulator.gateway.settings import gateway_names, gateways_for

    logs.begin("pumpwatch", kind=log)
    where = (data or user_data()).resolve()
    log_line = partial(say, "pumpwatch")
    proposed = None if was_given(ctx, "scenario") else log_line
    fleet = plan(scenario, pumps=pumps, interval=interval, seed=seed, say=proposed)
    web = web_of(public_url, root_path, trusted_proxy, certificate=tls_cert, key=tls_key, hosts=allowed_host)
    openid = (oidc_issuer, oidc_client_id, oidc_client_secret, oidc_role_claim, oidc_role)
    access_options.openid_of(*openid)
    config = RunConfig(
        data=where,
        fleet=fleet,
        gateways=gateways,
        speed=speed,
        payload=payload,
        broker=None if broker is None else _checked(broker),
        own=None,
        host=host,
        port=port,
        key=key or secrets.token_urlsafe(12),
        dashboard_flags=(
            *web.flags(),
            *access_options.session_flags(session_idle, session_days),
            *access_options.openid_flags(*openid),
        ),
        metrics_port=metrics_port,
        log=("--log", "json" if logs.as_json(log) else "text"),
        nodes=nodes,
        history_table=history_table,
    )
    if nodes:
        others = {
            "--broker": broker,
            "--gateway-host": gateway_host != options.LOOPBACK,
            "--gateway-port": gateway_port,
        }
        cluster_run.check({**others, "--gateway-tls": gateway_tls, "--metrics-port": metrics_port})
    if metrics_port is not None and metrics_port + len(PARTS) - 1 > MAX_PORT:
        raise typer.BadParameter(
            f"{metrics_port} leaves no ports for all {len(PARTS)} parts; use at most {MAX_PORT - len(PARTS) + 1}",
            param_hint="--metrics-port",
        )
    with _alone(where):
        free = choose_port(host, port, chosen=was_given(ctx, "port"), say=log_line)
        own: OwnBroker | ClusterBroker | None = None
        if not nodes:
            cluster_node.refuse_single(where)
            cluster_node.refuse_table(history_table)
        if nodes:
            own = cluster_run.choose(where, ranges)
        elif config.broker is None:
            names = gateway_names("gateway", gateways or gateways_for(fleet.pumps))
            own = own_broker.choose(where, gateway_host, gateway_port, tls=gateway_tls, simulated=names)
        else:
            own_broker.warn_of_anonymous(config.broker)
        try:
            asyncio.run(_run(replace(config, port=free, own=own)))
        except PartError as failure:
            raise CommandError(str(failure)) from failure


def say(part: str, text: str) -> None:
    """Log one line in the name of a part."""
    logging.getLogger("pumpwatch").info("%s", text, extra={"part": part})


def parts_of(config: RunConfig) -> list[Part]:
    """Return the processes to run, in the order in which they start.

    Secrets go through the environment, because any user of the machine can read command lines.
    """
    data = ("--data", str(config.data), *config.log)
    dashboard_flags = ("--host", config.host, "--port", str(config.port), *config.dashboard_flags)
    variables = {user: _broker_variables(config, user) for user in (PROCESSOR, DASHBOARD, SIMULATOR)}
    parts = [
        *_processors(config, ("process", *data, *_rate_flags(config)), variables[PROCESSOR]),
        Part(
            "dashboard",
            _command("dashboard", *data, *dashboard_flags, *config.metrics_flags("dashboard")),
            {**variables[DASHBOARD], f"{PREFIX}KEY": config.key},
        ),
        Part(
            "simulator",
            _command("simulate", *data, *_fleet_flags(config), *config.metrics_flags("simulator")),
            variables[SIMULATOR],
        ),
    ]
    if config.own is not None:
        parts.insert(0, Part("broker", _command("broker", *config.own.flags, *data, *config.metrics_flags("broker"))))
    return parts


def _processors(config: RunConfig, words: tuple[str, ...], variables: dict[str, str]) -> list[Part]:
    """Return the processor, or the nodes of a cluster."""
    if not config.nodes:
        return [Part("processor", _command(*words, *config.metrics_flags("processor")), variables)]
    table = ("--history-table", config.history_table) if config.history_table else ()
    return cluster_run.nodes_of(config.nodes, config.own, _command(*words, *table), variables)


def _broker_variables(config: RunConfig, user: str) -> dict[str, str]:
    """Return the environment with which a part logs in at the broker."""
    if config.own is None:
        return variables_of_parts(config.url(user))
    variables = {f"{PREFIX}BROKER": config.url(user)}
    return variables | config.own.variables_of_gateways() if user == SIMULATOR else variables


def _command(name: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pumpwatch", name, *flags)


def _rate_flags(config: RunConfig) -> tuple[str, ...]:
    """Return what the processor needs to take in the whole fleet of this system at its start."""
    flags = {"--new-gateways": (config.gateways or 0, 1_000), "--new-pumps": (config.fleet.pumps, 100_000)}
    needed = {
        name: math.ceil(count / START_MINUTES)
        for name, (count, usual) in flags.items()
        if count > START_MINUTES * usual
    }
    return tuple(str(word) for pair in needed.items() for word in pair)


def _fleet_flags(config: RunConfig) -> tuple[str, ...]:
    fleet = config.fleet
    flags = {
        "--pumps": fleet.pumps,
        "--interval": f"{fleet.interval_s:g}s",
        "--seed": fleet.seed,
        "--speed": config.speed,
        "--payload": config.payload,
        "--scenario": fleet.scenario or "none",
    }
    if config.gateways is not None:
        flags["--gateways"] = config.gateways
    return tuple(str(word) for pair in flags.items() for word in pair)


async def notify_when_configured(
    supervisor: Supervisor, data: Path, stop: asyncio.Event, flags: tuple[str, ...] = ()
) -> None:
    """Run the notifier as soon as there is a configuration of notifications: most small fleets have none."""
    # A file tells nobody that it was written.
    while not notification_files.configured(data):  # noqa: ASYNC110
        await asyncio.sleep(CONFIGURED_INTERVAL_S)
    try:
        await supervisor.adopt(Part("notifier", _command("notify", "--data", str(data), *flags)), stop)
    except PartError as failure:
        say("pumpwatch", f"the notifier cannot be started, nobody is notified of alarms: {failure}")


async def _run(config: RunConfig) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    notices = Notices(with_variable(config.url(SUPERVISOR)))
    variables, part_status = environment(), PartStatus(config.data)
    systemd = ServiceManager.of(variables, os.getpid())

    def report(troubles: Mapping[str, Trouble]) -> None:
        part_status.write(troubles)
        systemd.status(status_of(troubles))

    supervisor = Supervisor(parts_of(config), say, variables, notices.put, report)
    publishing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    notifying: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    living = asyncio.ensure_future(systemd.live())
    try:
        addresses = await supervisor.start(stop)
        if addresses is not None:
            # Only now does the processor listen; earlier notices would be lost.
            publishing = asyncio.ensure_future(notices.publish_forever())
            flags = (*config.log, *config.metrics_flags("notifier"))
            notifying = asyncio.ensure_future(notify_when_configured(supervisor, config.data, stop, flags))
            address = addresses["dashboard"]
            # Commands of people log in at a broker of its own data directory by the files there, a cluster's has none.
            gateways = "" if config.own is None or config.nodes else config.own.gateway_address
            shown = run_file.without_key(address)
            run_file.write(config.data, run_file.Running(config.url(OPERATOR), shown, os.getpid(), gateways))
            _show(address, config)
            systemd.ready(f"all parts are running; dashboard at {shown}")
            await supervisor.watch(stop)
    finally:
        systemd.stopping()
        say("pumpwatch", "stopping")
        for task in (publishing, notifying, living):
            task.cancel()
        await asyncio.gather(publishing, notifying, living, return_exceptions=True)
        await supervisor.stop()


def _show(address: str, config: RunConfig) -> None:
    fleet = config.fleet
    speed = f"a day in {86_400 / config.speed / 60:.3g} minutes" if config.speed > 1 else "in real time"
    lines = Text.assemble(
        ("Open  ", "bold"),
        (address, "bold underline"),
        f"\n\n{fleet.pumps:,} simulated pumps, {speed}; data directory {config.data}",
        f"\n{config.nodes} nodes; docs/cluster.md says how to add one" if config.nodes else "",
        ""
        if config.nodes or not config.own
        else f"\nGateways: {config.own.gateway_address}; add one with: pumpwatch gateway add NAME",
        "\nA simulation and no medical device. Ctrl-C stops it.",
    )
    console = Console()
    widest = max(len(line) for line in lines.plain.splitlines()) + 6
    frame = Panel(Align.left(lines), title="Pumpwatch", expand=False, padding=(1, 2))
    Console(width=max(console.width, widest)).print(frame)


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data directory while the system runs; raises `CommandError` if another system runs on it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(run_file.alone(data))
        except LockedError:
            running = run_file.find(data)
            which = "it is just starting" if running is None else f"process {running.pid}, {running.dashboard}"
            raise CommandError(
                f"Pumpwatch is already running on {data} ({which}); stop it first, or use another --data"
            ) from None
        except OSError as error:
            raise CommandError(
                f"cannot use the data directory {data}: {error.strerror}; choose another with --data"
            ) from error
        yield


def _checked(url: str) -> str:
    from broker.mqtt.address import LinkError, parse_url

    try:
        parse_url(url)
    except LinkError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from error
    return url
