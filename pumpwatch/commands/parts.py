"""`pumpwatch simulate`, `process` and `dashboard`: run one part in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from broker.metrics.listener import WatchError
from broker.metrics.readings import Vitals
from broker.store import file_lock
from pumpwatch.commands import (
    access_options,
    cluster_node,
    cluster_options,
    gateway_options,
    options,
    trust_options,
)
from pumpwatch.commands.errors import CommandError, RefusalError
from pumpwatch.commands.history_judge import replayed
from pumpwatch.commands.web_options import web_of
from pumpwatch.settings import PREFIX, SPOOL_SAMPLES, TICK_S, user_data
from pumpwatch.supervision import run_file
from pumpwatch.supervision.process import play


def simulate(
    *,
    pumps: options.Pumps = None,
    gateways: options.Gateways = None,
    speed: options.Speed = 60.0,
    interval: options.Interval = None,
    seed: options.Seed = None,
    scenario: options.Scenario = None,
    payload: options.Payload = "auto",
    spool: Annotated[
        Path | None,
        typer.Option(
            "--spool",
            envvar=f"{PREFIX}SPOOL",
            metavar="DIR",
            callback=options.path,
            help="Directory where gateways keep unconfirmed samples across restarts. Default: in memory.",
            show_default=False,
        ),
    ] = None,
    spool_samples: Annotated[
        int,
        typer.Option(
            "--spool-samples",
            envvar=f"{PREFIX}SPOOL_SAMPLES",
            min=SPOOL_SAMPLES.ge,
            max=SPOOL_SAMPLES.le,
            help="Maximum number of spooled samples of all gateways; the oldest are dropped first, and counted.",
        ),
    ] = 5_000_000,
    action_key: trust_options.ActionKey = None,
    gateway_broker: gateway_options.GatewayBroker = None,
    gateway_secret: gateway_options.GatewaySecret = None,
    broker: options.Broker = None,
    data: options.Data = None,
    metrics_port: options.MetricsPort = None,
    log: options.Log = "auto",
) -> None:
    """Run the simulator: pumps that publish telemetry to the broker."""
    from broker.mqtt.address import LinkError, TakenOverError
    from broker.mqtt.topic_access import SIMULATOR
    from pumpwatch.commands.own_broker import simulated_login
    from pumpwatch.commands.run_config import plan
    from simulator.gateway import service
    from simulator.gateway.settings import Settings, gateway_names, gateways_for

    fleet = plan(scenario, pumps=pumps, interval=interval, seed=seed)
    where = data or user_data()
    names = gateway_names("gateway", gateways or gateways_for(fleet.pumps))
    url, secret = simulated_login(where, broker, gateway_broker, gateway_secret, names)
    settings = Settings(
        broker=run_file.broker_of(broker, where, SIMULATOR),
        gateway_broker=url,
        gateway_secret=secret,
        pumps=fleet.pumps,
        gateways=gateways,
        speed=speed,
        interval_s=fleet.interval_s,
        seed=fleet.seed,
        scenario=fleet.scenario,
        payload=payload,
        truth=where,
        spool=spool,
        spool_samples=spool_samples,
        action_key=action_key or _own_key(where),
    )
    watch = Vitals("simulator"), metrics_port
    with only_user(spool / "simulator.lock" if spool else None, "simulator", "--spool"):
        try:
            play(
                "simulator",
                lambda stop, ready, progress: service.run(settings, stop, ready, progress, watch[0]),
                many_connections=True,
                watch=watch,
                log_as=log,
            )
        except TakenOverError as error:
            raise RefusalError(str(error)) from error
        except (LinkError, WatchError, ValueError) as error:
            raise CommandError(str(error)) from error


def process(
    *,
    broker: options.Broker = None,
    data: options.Data = None,
    tick: Annotated[
        float,
        typer.Option("--tick", envvar=f"{PREFIX}TICK", min=TICK_S.ge, max=TICK_S.le, help="Seconds between batches."),
    ] = 0.25,
    history_size: options.HistorySize = options.HISTORY_GB,
    history_days: options.HistoryDays = 0,
    gateway_messages: trust_options.GatewayMessages = 5_000,
    gateway_births: trust_options.GatewayBirths = 240,
    new_gateways: trust_options.NewGateways = 1_000,
    new_pumps: trust_options.NewPumps = 100_000,
    journal_anchor_url: options.JournalAnchorUrl = "",
    trace: Annotated[
        bool,
        typer.Option(
            "--trace",
            envvar=f"{PREFIX}TRACE",
            help="Publish when each message was received, judged, stored and shown; for load tests.",
        ),
    ] = False,
    otlp_endpoint: options.OtlpEndpoint = "",
    cluster: cluster_options.Cluster = "",
    cluster_monitor: cluster_options.ClusterMonitor = str(cluster_options.MONITOR_PORT),
    ranges: cluster_options.Ranges = None,
    cluster_log_size: cluster_options.ClusterLogSize = None,
    cluster_log_hours: cluster_options.ClusterLogHours = None,
    history_table: cluster_options.HistoryTable = "",
    metrics_port: options.MetricsPort = None,
    log: options.Log = "auto",
) -> None:
    """Run the stream processor: telemetry in, alarms and snapshots out."""
    from broker.mqtt.address import LinkError, TakenOverError
    from broker.mqtt.topic_access import PROCESSOR
    from processor.intake.rates import RateLimits
    from processor.service import loop
    from processor.service.settings import ProcessorError, SecondProcessorError, Settings

    where = data or user_data()
    settings = Settings(
        broker=run_file.broker_of(broker, where, PROCESSOR),
        data=where,
        tick_s=tick,
        history_bytes=round(history_size * options.BYTES_A_GB),
        history_days=history_days,
        rates=RateLimits(gateway_messages, gateway_births, new_gateways, new_pumps),
        anchor_url=journal_anchor_url,
        trace=trace,
        otlp_endpoint=otlp_endpoint,
        history_table=history_table,
    )
    if not cluster:
        cluster_node.refuse_single(where)
        cluster_node.refuse_table(history_table)
        cluster_node.refuse_retention(cluster_log_size, cluster_log_hours)
    retention = cluster_log_size, cluster_log_hours
    place = cluster_node.place_of(cluster, cluster_monitor, ranges, *retention) if cluster else None

    def run(stop: asyncio.Event, ready: Callable[[str], None], _: object) -> Awaitable[None]:
        if place is not None:
            return cluster_node.run(place, settings, stop, ready, watch[0])
        return loop.run(settings, stop, ready, watch[0])

    try:
        watch = Vitals("processor"), metrics_port
        play("processor", run, watch=watch, log_as=log)
    except (SecondProcessorError, TakenOverError) as error:
        raise RefusalError(str(error)) from error
    except (LinkError, ProcessorError, WatchError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"cannot use the data directory {where}: {error}") from error


def dashboard(
    ctx: typer.Context,
    *,
    broker: options.Broker = None,
    data: options.Data = None,
    host: options.Host = options.LOOPBACK,
    port: options.Port = options.DASHBOARD_PORT,
    key: options.Key = "",
    public_url: options.PublicUrl = "",
    root_path: options.RootPath = "",
    trusted_proxy: options.TrustedProxies = None,
    session_idle: access_options.SessionIdle = access_options.IDLE_H,
    session_days: access_options.SessionDays = access_options.DAYS,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    allowed_host: options.AllowedHosts = None,
    oidc_issuer: access_options.OidcIssuer = "",
    oidc_client_id: access_options.OidcClientId = "",
    oidc_client_secret: access_options.OidcClientSecret = None,
    oidc_role_claim: access_options.OidcRoleClaim = access_options.ROLE_CLAIM,
    oidc_role: access_options.OidcRoles = None,
    metrics_port: options.MetricsPort = None,
    log: options.Log = "auto",
) -> None:
    """Run the dashboard on the snapshots of the processor."""
    where = data or user_data()
    port = choose_port(host, port, chosen=was_given(ctx, "port"), say=lambda text: typer.echo(text, err=True))
    from broker.mqtt.topic_access import DASHBOARD
    from dashboard import app
    from dashboard.access.accounts import AccessError
    from dashboard.serving.listener import ServeError
    from dashboard.settings import Settings

    web = web_of(public_url, root_path, trusted_proxy, certificate=tls_cert, key=tls_key, hosts=allowed_host)
    settings = Settings(
        broker=run_file.broker_of(broker, where, DASHBOARD),
        data=where,
        host=host,
        port=port,
        key=key,
        public=web.public,
        tls=web.tls,
        allowed_hosts=web.allowed_hosts,
        session_idle_s=session_idle * 3600,
        session_max_s=session_days * 86_400,
        openid=access_options.openid_of(oidc_issuer, oidc_client_id, oidc_client_secret, oidc_role_claim, oidc_role),
    )
    try:
        watch = Vitals("dashboard"), metrics_port
        play(
            "dashboard",
            lambda stop, ready, _: app.run(settings, stop, ready, watch[0], replayed),
            watch=watch,
            log_as=log,
        )
    except (AccessError, ServeError, WatchError) as error:
        raise CommandError(str(error)) from error


def _own_key(data: Path) -> Path:
    """Return the file of the public keys of a data directory, made at its first use; raises `CommandError`."""
    from broker.store import action_key

    try:
        action_key.ensure(data)
    except (action_key.ActionKeyError, OSError) as error:
        raise CommandError(f"cannot use the key that signs commands: {error}") from error
    return data / action_key.PUBLIC


@contextlib.contextmanager
def only_user(lock: Path | None, part: str, option: str) -> Iterator[None]:
    """Hold a lock, if there is one to hold: two of the same part would write over each other's files."""
    with contextlib.ExitStack() as stack:
        try:
            if lock is not None:
                stack.enter_context(file_lock.hold(lock))
        except file_lock.LockedError:
            raise CommandError(
                f"another {part} uses {lock and lock.parent}; stop it, or choose another directory with {option}"
            ) from None
        except OSError as error:
            raise CommandError(
                f"cannot use {lock and lock.parent}: {error.strerror}; choose another {option}"
            ) from error
        yield


def choose_port(host: str, port: int, *, chosen: bool, say: Callable[[str], None]) -> int:
    """Return `port`, or the next free one if it is a default and in use; raises `CommandError`."""
    if chosen:
        require_free(host, port, "choose another --port")
        return port
    try:
        free = run_file.next_free(host, port)
    except OSError as error:
        raise _unusable(host, port, error) from error
    if free is None:
        raise CommandError(
            f"ports {port} to {port + run_file.PORTS_TRIED} on {host} are in use; choose one with --port"
        )
    if free != port:
        say(f"port {port} is in use; the dashboard listens on {free}")
    return free


def require_free(host: str, port: int, advice: str) -> None:
    """Raise `CommandError` with the advice if a port is in use, or if something else prevents listening."""
    try:
        free = run_file.is_free(host, port)
    except OSError as error:
        raise _unusable(host, port, error) from error
    if not free:
        raise CommandError(f"port {port} on {host} is in use; {advice}")


def _unusable(host: str, port: int, error: OSError) -> CommandError:
    from broker.mqtt.endpoint import host_and_port

    reason = error.strerror or error
    return CommandError(f"cannot listen at {host_and_port(host[:80], port)}: {reason}; choose another --host or --port")


def was_given(ctx: typer.Context, name: str) -> bool:
    """Return whether the option was set, by flag, environment or settings file."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
