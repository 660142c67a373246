"""Listener: the server around the application, with TLS and limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from broker.metrics.readings import Vitals
from broker.mqtt.endpoint import is_loopback
from dashboard.access.accounts import AccessError
from dashboard.serving.connections import LOOPBACK, Connections, Door
from dashboard.serving.counted_log import CountedLog, RareRecords
from dashboard.serving.measured import Measured
from dashboard.serving.protocols import LimitedHttp, LimitedWebSocket
from dashboard.serving.requests import Limited
from dashboard.serving.tls import Certificate
from dashboard.settings import Limits, Settings, TlsFiles

SHUTDOWN_TIMEOUT_S: Final = 1
MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""A WebSocket message, also when it arrives in many frames or compressed."""
OTHER_FILES: Final = 200
"""Open files that the dashboard needs besides its connections."""


class ServeError(Exception):
    """The dashboard cannot listen at its address, or not with this certificate; the text says what to do."""


def demand_tls(settings: Settings) -> None:
    """Raise `AccessError` if passwords could be read on the network: beyond this machine without TLS and proxy."""
    if settings.tls or settings.public.proxies or is_loopback(settings.host):
        return
    raise AccessError(
        f"{settings.host} is reachable from other machines and there is no TLS; give a certificate with --tls-cert and "
        "--tls-key, or name the reverse proxy that has one with --trusted-proxy ADDRESS  (or serve at 127.0.0.1)"
    )


def tls_of(files: TlsFiles | None, clock: Callable[[], float]) -> Certificate | None:
    """Return the TLS settings of a certificate, None without one; raises `ServeError` if it cannot be used."""
    try:
        return None if files is None else Certificate(files, clock)
    except ValueError as error:
        raise ServeError(str(error)) from error


def server_config(
    app: ASGIApp,
    settings: Settings,
    tls: Certificate | None,
    clock: Callable[[], float],
    vitals: Vitals | None = None,
) -> uvicorn.Config:
    """Return the configuration of the server around `app`; `clock` is monotonic, in s.

    `vitals` gets the readings of the server, besides those it has.
    """
    limits, log = _affordable(settings.limits), CountedLog(clock)
    connections = Connections(limits, (*LOOPBACK, *settings.public.proxies), log)
    measured = Measured(Limited(app, settings, log), connections)
    if vitals is not None:
        others = vitals.read
        vitals.read = lambda: [*others(), *measured.read()]
    server_log = logging.getLogger("uvicorn.error")
    for earlier in [each for each in server_log.filters if isinstance(each, RareRecords)]:
        server_log.removeFilter(earlier)
    server_log.addFilter(RareRecords(clock))

    def speak(config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any], **_: Any) -> Door:
        return Door(connections, tls, lambda: LimitedHttp(connections, config, server_state, app_state))

    def upgrade(config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]) -> asyncio.Protocol:
        return LimitedWebSocket(connections, config, server_state, app_state)

    return uvicorn.Config(
        measured,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe every sender on this machine; `BehindProxy` reads them
        lifespan="on",
        http=speak,  # type: ignore[arg-type]  # uvicorn calls it, whatever it is
        ws=upgrade,  # type: ignore[arg-type]
        ws_max_size=MAX_MESSAGE_BYTES,
        h11_max_incomplete_event_size=limits.headers,
        timeout_keep_alive=limits.idle_s,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )


def _affordable(limits: Limits) -> Limits:
    """Return limits with no more connections than this process may have open files."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return limits
    return replace(limits, connections=max(1, min(limits.connections, files - OTHER_FILES)))


class Server(uvicorn.Server):
    """uvicorn server with an event for when it accepts connections; the caller handles signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Serve with a configuration of `server_config`."""
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections at sockets that listen."""
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
