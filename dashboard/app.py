"""Dashboard application: assembles pages, data service and access, and serves them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

from dash import Dash
from fastapi import FastAPI, Response

from broker.access import certificates
from broker.metrics.readings import Vitals
from broker.mqtt.endpoint import host_and_port, listening_socket
from dashboard import pages as pages_package
from dashboard.access.accounts import VISITOR
from dashboard.access.language_choice import ViewerLanguage
from dashboard.access.middleware import Access, demand_accounts
from dashboard.access.problems import API
from dashboard.api import application as api
from dashboard.components import frame, manifest, push, shell, watch_routes
from dashboard.components.safe_output import SafeDash
from dashboard.data import readiness
from dashboard.data.drill_runner import DrillRunner
from dashboard.data.live import Live
from dashboard.data.replays import Replayed, Replays
from dashboard.data.services import DataService
from dashboard.data.signing import SignedRequests
from dashboard.data.silencing import Silencing
from dashboard.serving.listener import ServeError, Server, demand_tls, server_config, tls_of
from dashboard.settings import Settings
from dashboard.zones import ViewerZone

LISTEN_BACKLOG = 512


def page_modules() -> Iterator[ModuleType]:
    """Yield the modules in the pages folder; each registers its page."""
    for found in pkgutil.iter_modules(pages_package.__path__):
        yield importlib.import_module(f"{pages_package.__name__}.{found.name}")


def build(settings: Settings, vitals: Vitals | None = None, replayed: Replayed | None = None) -> Access:
    """Return the dashboard as one ASGI application that requires sign-in; `vitals` gets what there is to watch.

    `replayed` judges history as the processor does; without it, charts lack scores and expected ranges of the past.
    """
    requests = SignedRequests(settings.data)
    live = Live(settings.snapshots, _wall_ms)
    data = DataService(settings, live, _wall_ms, requests.ask, requests.act, Replays(replayed))
    vitals = vitals or Vitals("dashboard")
    vitals.problems = lambda: readiness.problems(data.live, settings.data)
    vitals.read = lambda: readiness.read(data.live)
    app = assemble(data, vitals)
    return Access(app.server, settings, _policy(app), trail=data.audit)


def assemble(data: DataService, vitals: Vitals | None = None) -> Dash:
    """Return the pages around a data service, without sign-in: visitors have no rights.

    `vitals` are served at /readyz, and to administrators at /metrics.
    """
    public = data.settings.public
    drills = DrillRunner(data, random.Random())

    @contextlib.asynccontextmanager
    async def background(_server: FastAPI) -> AsyncIterator[None]:
        runs = data.load_runs
        async with data.live.watching(), drills.running(), Silencing(data).running(), runs.running():
            yield

    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=background)
    app = SafeDash(
        __name__,
        server=server,  # type: ignore[arg-type]  # Dash 4.1 and later accept any ASGI server
        title="Pumpwatch",
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1, viewport-fit=cover"}],
        update_title="",
        add_log_handler=False,
        suppress_callback_exceptions=True,
        health_endpoint="healthz",
        index_string=shell.index(public.root),
        requests_pathname_prefix=f"{public.root}/",
        routes_pathname_prefix="/",
        websocket_allowed_origins=[public.origin] if public.origin else None,
        enable_mcp=False,
    )

    server.add_middleware(ViewerZone)
    server.add_middleware(ViewerLanguage)

    @server.api_route("/live", methods=["GET", "POST"])
    async def latest(response: Response) -> dict[str, Any]:
        # Pages that poll use POST: then they are told if this site is not allowed to change anything.
        response.headers["Cache-Control"] = "no-store"
        return {**data.live.payload(), **data.live.beat()}

    @server.get(manifest.PATH)
    async def installed() -> Response:
        return Response(manifest.text(), media_type="application/manifest+json")

    server.mount(API, api.build(data))
    if vitals is not None:
        watch_routes.register(server, vitals)
    for page in page_modules():
        page.register(app, data)
    pages = shell.registered()
    app.layout = lambda: frame.layout(pages, VISITOR.get())
    push.register(app, data.live)
    shell.register(app, data, pages)
    # Dash 4.4 on FastAPI does this only at the first request for "/": without it, /alarms opened first has no assets.
    app._setup_server()  # type: ignore[no-untyped-call]
    return app


def _policy(app: Dash) -> str:
    """Return the Content-Security-Policy; inline styles are allowed because charts, Mantine and AG Grid add them."""
    scripts = " ".join([*app.csp_hashes(), shell.script_hash()])
    return (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; manifest-src 'self'; font-src 'self' data:; connect-src 'self'; "
        "worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


async def run(
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    vitals: Vitals | None = None,
    replayed: Replayed | None = None,
) -> None:
    """Serve until `stop` is set; `ready` is called with the address to open once connections are accepted.

    `vitals` gets what there is to watch; `replayed` judges history as the processor does.

    Raises `AccessError` if other machines could reach it and there are no accounts or no TLS, `ServeError` if the port
    is in use or the certificate cannot be used.
    """
    demand_accounts(settings)
    demand_tls(settings)
    tls = tls_of(settings.tls, time.monotonic)
    vitals = vitals or Vitals("dashboard")
    application = build(settings, vitals, replayed)
    listener = _listen(settings)
    # For the processor, which warns before it ends; whether that can be written decides nothing here.
    with contextlib.suppress(OSError):
        certificates.note_dashboard(settings.data, None if settings.tls is None else settings.tls.certificate)
    config = server_config(application, settings, tls, time.monotonic, vitals)
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="dashboard")
    waiting = asyncio.create_task(stop.wait(), name="dashboard stop")
    try:
        accepting = asyncio.create_task(server.accepting.wait(), name="dashboard start")
        await asyncio.wait({serving, accepting}, return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        if server.started:
            ready(application.address(listener.getsockname()[1]))
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        server.should_exit = True
        await serving
        listener.close()


def _listen(settings: Settings) -> socket.socket:
    try:
        return listening_socket(settings.host, settings.port, LISTEN_BACKLOG)
    except OSError as error:
        raise ServeError(
            f"the dashboard cannot listen at {host_and_port(settings.host, settings.port)}: {error.strerror or error}; "
            "choose another port, or stop the process that uses this one"
        ) from error


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
