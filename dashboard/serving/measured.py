"""Measured: counts answers and their durations, and open WebSockets, around the whole application."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.metrics.readings import Distribution, Reading
from dashboard.serving.connections import Connections


class Measured:
    """Passes everything on to `app`, and counts it."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        """Measure `app`; `connections` are those of its server."""
        self._app, self._connections = app, connections
        self._durations, self._sockets = Distribution(), 0
        self._statuses: collections.Counter[str] = collections.Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            self._sockets += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._sockets -= 1
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._statuses[f"{message['status'] // 100}xx"] += 1
                self._durations.add(time.monotonic() - began)
            await send(message)

        await self._app(scope, receive, noted)

    def read(self) -> Iterator[Reading]:
        """Yield the readings of the server."""
        yield Reading("pumpwatch_dashboard_request_duration_seconds", self._durations)
        yield from (
            Reading("pumpwatch_dashboard_responses_total", count, (status,)) for status, count in self._statuses.items()
        )
        yield from (
            Reading("pumpwatch_dashboard_refused_total", count, (reason,))
            for reason, count in self._connections.log.counts.items()
        )
        yield Reading("pumpwatch_dashboard_connections", len(self._connections))
        yield Reading("pumpwatch_dashboard_websockets", self._sockets)
