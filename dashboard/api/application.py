"""The API as one application: the routes of the table, rate limits, and problem details for every error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.exceptions import HTTPException as RoutingError
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.access.accounts import VISITOR
from dashboard.api import documents
from dashboard.api.answers import Heavy
from dashboard.api.events import Streams
from dashboard.api.fhir_answers import error as error_answer
from dashboard.api.idempotency import Answered
from dashboard.api.route import VERSION, ApiError, Route, allowed_by
from dashboard.api.table import ROUTES
from dashboard.data.services import DataService

PER_MINUTE: Final = 600
"""Requests of one key or session."""
_LIMIT: Final = RateLimitItemPerMinute(PER_MINUTE, namespace="api")
MAX_ERRORS: Final = 10
UNREADABLE: Final = "The body cannot be read as JSON; send one object in UTF-8, nested less than a hundred times."


def build(data: DataService) -> ASGIApp:
    """Return the application to mount at /api."""
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, dependencies=[Depends(_limited)]
    )
    app.state.data, app.state.heavy, app.state.answered = data, Heavy(), Answered()
    app.state.streams = Streams()
    app.state.limiter = FixedWindowRateLimiter(MemoryStorage())
    documents.add_routes(app, ROUTES)
    for route in ROUTES:
        app.add_api_route(
            VERSION + route.path,
            route.handler,
            methods=[route.method],
            response_model=route.answer,
            # Searches of FHIR answer unknown parameters themselves, as an OperationOutcome.
            dependencies=[Depends(allowed_by(route)), *([] if route.tag == "fhir" else [Depends(_only(route))])],
        )
    app.add_exception_handler(RoutingError, _unrouted)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(Exception, _failed)
    return Heads(app)


class Heads:
    """Answers HEAD as GET; the server sends no body."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        as_get = {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope
        await self._app(as_get, receive, send)


async def _limited(request: Request) -> None:
    """Count a request of a key or session. Raises `ApiError` (429) beyond `PER_MINUTE`."""
    limiter: FixedWindowRateLimiter = request.app.state.limiter
    visitor = VISITOR.get()
    name = visitor.session or visitor.name
    if not limiter.hit(_LIMIT, name):
        wait_s = max(1, math.ceil(limiter.get_window_stats(_LIMIT, name).reset_time - time.time()))
        text = f"More than {PER_MINUTE} requests in a minute with this key or session; try again in {wait_s} s."
        raise ApiError(429, text, kind="rate-limit", Retry_After=str(wait_s))


def _only(route: Route) -> Callable[[Request], Any]:
    """Return the check that a request has no parameter in its address that the route does not know."""

    async def check(request: Request) -> None:
        if not request.query_params:
            return
        known = documents.query_parameters(ROUTES)[route.path, route.method]
        if unknown := sorted({name[:80] for name in request.query_params if name not in known}):
            text = f"There is no parameter {', '.join(map(repr, unknown[:MAX_ERRORS]))}; "
            text += f"allowed are {', '.join(sorted(known))}." if known else "this takes none."
            raise ApiError(400, text, kind="bad-parameter")

    return check


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoutingError)  # noqa: S101  # it is registered for no other
    path = request.scope["path"]
    texts = {
        400: UNREADABLE,
        404: f"There is no {path}; the routes are listed at /api/v1/openapi.json.",
        405: f"{request.method} is not possible at {path}; the header Allow says what is.",
    }
    headers = {**(error.headers or {})}
    return error_answer(request, error.status_code, texts.get(error.status_code, str(error.detail)), headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # it is registered for no other
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if error.body and media != "application/json" and not media.endswith("+json"):
        text = f"The Content-Type {media[:80]!r} is not possible; send JSON as application/json."
        return error_answer(request, 415, text, kind="media-type", headers={"Accept-Post": "application/json"})
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return error_answer(request, 400, UNREADABLE, kind="bad-json")
    found = [_parameter_error(one) for one in error.errors()[:MAX_ERRORS]]
    first = found[0] if found else {"parameter": "body", "problem": "cannot be read"}
    detail = f"{first['parameter']}: {first['problem']}; allowed values are in /api/v1/openapi.json."
    return error_answer(request, 400, detail, kind="bad-parameter", errors=found)


def _parameter_error(error: Any) -> dict[str, str]:
    place = [str(part) for part in error["loc"]]
    name = ".".join(place[1:] or place)[:80]
    value = repr(error.get("input"))[:60]
    return {"parameter": name, "in": place[0], "problem": f"{error['msg']} (given: {value})"}


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  # it is registered for no other
    return error_answer(request, error.status, str(error), kind=error.kind, headers=error.headers)


async def _failed(request: Request, _error: Exception) -> Response:
    return error_answer(request, 500, "The dashboard could not answer this; its log says why.", kind="internal")
