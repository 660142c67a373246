"""Routes for those who watch the dashboard: /readyz for everybody, /metrics for those who are signed in."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from broker.metrics.exposition import Exposition
from broker.metrics.readings import Vitals
from dashboard.access.session_backend import METRICS


def register(server: FastAPI, vitals: Vitals) -> None:
    """Add the routes. /healthz is that of Dash: it answers as long as the server does."""
    exposition = Exposition(vitals)

    @server.get("/readyz")
    def ready() -> Response:
        problems = vitals.problems()
        text = "".join(f"{code}\n" for code in problems) or "ok\n"
        return Response(text, 503 if problems else 200, {"Cache-Control": "no-store"}, "text/plain")

    @server.get(METRICS)
    def metrics(request: Request) -> Response:
        content, kind = exposition.text(request.headers.get("accept", ""))
        return Response(content, headers={"Cache-Control": "no-store", "Content-Type": kind})
